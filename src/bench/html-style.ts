// The style sheet of the report, by day and by night. Colours of the series are told apart with the
// common kinds of colour blindness (after Okabe and Ito), and lighter at night.

export const pageStyle = `
:root { color-scheme: light dark; --back: #fcfcfb; --text: #1c1d1f; --dim: #5c6066; --line:
  #dcdddf; --panel: #f3f3f1;
  --good: #10723f; --bad: #b3261e; --open: #6b5b00; --warn: #fff3d6;
  --s0: #0b66b0; --s1: #c8500a; --s2: #00835f; --s3: #a8437f; --s4: #7a6500; --s5: #2f8fc4;
  --s6: #6a4bb0; --s7: #55595f; }
@media (prefers-color-scheme: dark) { :root { --back: #16181b; --text: #e7e8ea; --dim: #a2a7ae;
  --line: #34383e; --panel: #1e2125;
  --good: #5fce92; --bad: #ff8d85; --open: #dcc45a; --warn: #3a2f12;
  --s0: #62b1f5; --s1: #ff9a5c; --s2: #45cfa4; --s3: #ec97c8; --s4: #d8bf4a; --s5: #93d5f7;
  --s6: #b7a0f5; --s7: #b4b8be; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); 
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0 .5rem; color: var(--dim); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--dim); }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align:
  top; font-variant-numeric: tabular-nums; }
thead th:empty { padding: 0; border: 0; }
tr.group td { padding-top: .9rem; color: var(--dim); }
tr.group:has(+ tr:not(.group)) td { border: 0; }
tr.group b { color: var(--text); }
.claims details td:nth-child(-n+3):not([colspan]) { white-space: nowrap; }
.claims td { min-width: 6.5rem; } .claims details td { min-width: 8.5rem; }
.claims details td:first-child { min-width: 11rem; }
.figures td { white-space: nowrap; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--dim); }
b.good { color: var(--good); } b.bad { color: var(--bad); } b.open { color: var(--open);
  font-weight: 500; }
.warning { list-style: none; margin: 1rem 0; padding: .6rem 1rem; background: var(--warn);
  border-radius: 4px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .4rem 0;
  padding: 0; font-size: .9rem; }
svg { width: 100%; height: auto; background: var(--panel); border-radius: 6px; }
svg.key { width: 34px; height: 12px; margin-right: .4em; background: none; }
svg text { fill: var(--dim); font-size: 12px; } .grid { stroke: var(--line); fill: none; }
.series polyline { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.series .mark { fill: var(--c); stroke: var(--panel); stroke-width: 1; } .whisker { stroke:
  var(--c); stroke-width: 1.5; opacity: .65; }
.d1 polyline { stroke-dasharray: 7 3; } .d2 polyline { stroke-dasharray: 2 3; } .d3 polyline {
  stroke-dasharray: 9 3 2 3; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
@media (max-width: 36rem) { svg text { font-size: 21px; }
  svg:not(.key) polyline { stroke-width: 3; } }
@media print { svg { break-inside: avoid; } }
`;

// The page: it needs nothing from outside, has a mark for each figure, and text of a file or host
// stays text.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DOMParser } from "@xmldom/xmldom";
import { htmlReport } from "./html-report.ts";
import { linePlot } from "./line-plot.ts";
import { runOf, sizes } from "./measured-run.arbitrary.ts";

const paths = ["guest-vf", "guest-virtio-bridge", "guest-e1000"].map((id, at) => ({
  id,
  latencyUs: 10 * (at + 1),
  framesPerSecond: 1e6 / (at + 1),
  tcpGbits: 9 / (at + 1),
  cpu: 1,
}));
const page = htmlReport(runOf(paths, 5, { "guest-macvtap": "no <macvtap> here" }));

/** Each plot is well-formed markup by itself. */
const plots = [...page.matchAll(/<svg[^>]* role="img".*?<\/svg>/gs)].map(([svg]) =>
  new DOMParser({
    onError: (level, message) => assert.fail(`${level}: ${message}`),
  }).parseFromString(svg, "image/svg+xml"),
);

suite("the page", () => {
  test("has three plots, with a mark for each figure", () => {
    const marks = plots.map((plot) =>
      plot.getElementsByTagName("path").filter((path) => path.getAttribute("class") === "mark"),
    );
    const perSize = paths.length * (sizes.length + 1);
    assert.deepEqual(
      marks.map(({ length }) => length),
      [perSize, paths.length * 5, perSize],
    );
  });

  test("each path looks another way, and the same in legend and plot", () => {
    const figures = { latencyUs: 10, framesPerSecond: 1e6, tcpGbits: 9, cpu: 1 };
    const many = Array.from({ length: 12 }, (_, at) => ({ ...figures, id: `path-${at}` }));
    const looks = (pattern: RegExp): string[] =>
      [...htmlReport(runOf(many)).matchAll(pattern)].map(([, look = ""]) => look);
    const legend = looks(/class="key"[^]*?class="series ([^"]*)"/g).slice(0, many.length);
    assert.equal(new Set(legend).size, many.length);
    assert.deepEqual(
      looks(/class="series ([^"]*)"><path class="whisker"/g).slice(0, many.length),
      legend,
    );
  });

  test("asks for nothing from outside and runs nothing", () => {
    assert.doesNotMatch(page, /<script|<link|src=|href=|url\(|@import/);
  });

  test("keeps foreign text as text", () => {
    assert.ok(page.includes("no &lt;macvtap&gt; here"));
    const run = runOf(paths);
    const hostile = { ...run, host: { ...run.host, name: `<script>"'\u0000` } };
    const written = htmlReport(hostile);
    assert.doesNotMatch(written, /<script/);
    assert.ok(!written.includes("\u0000"));
  });

  test("says first when the figures say nothing about hardware", () => {
    const run = runOf(paths);
    const emulated = { ...run, host: { ...run.host, emulation: ["QEMU emulates this NIC"] } };
    assert.match(htmlReport(emulated), /<h1>.*QEMU emulates this NIC.*Claims/s);
  });
});

test("places on a logarithmic axis keep their ratios", () => {
  const plot = linePlot({
    title: "t",
    xLabel: "x",
    yLabel: "y",
    xTicks: [
      [0, "a"],
      [1, "b"],
      [2, "c"],
    ],
    series: [
      {
        name: "s",
        look: 0,
        runs: [[1, 10, 100].map((y, x) => ({ x, y, interval: null, words: "" }))],
      },
    ],
  });
  const points = /points="([^"]*)"/.exec(plot ?? "")?.[1]?.split(" ") ?? [];
  const [low = 0, middle = 0, high = 0] = points.map((point) => Number(point.split(",")[1]));
  assert.ok(low > middle && middle > high);
  assert.ok(Math.abs(low - middle - (middle - high)) <= 0.2, points.join(" "));
});

// Aligned columns and trees as text. A row is a list of cells; a tree is rows whose first cell
// carries the branches, so that the columns of all levels line up.

import { widthOf } from "./style.ts";

export type Row = readonly string[];

const pad = (cell: string, width: number): string =>
  cell + " ".repeat(Math.max(0, width - widthOf(cell)));

/** Lines of the table, two spaces between columns, nothing after the last cell of a row. */
export function alignRows(rows: readonly Row[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    // A row of one cell is a heading: it spans the columns and does not widen the first.
    if (row.length < 2) continue;
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row) => {
    if (row.length < 2) return row[0] ?? "";
    return row
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  });
}

/** Drops the columns of a table (with a heading row) that are empty in every other row. */
export function dropEmptyColumns(rows: readonly Row[]): Row[] {
  const [heading = []] = rows;
  const isUsed = heading.map((_, column) =>
    rows.slice(1).some((row) => row.length > 1 && (row[column] ?? "") !== ""),
  );
  return rows.map((row) => (row.length < 2 ? row : row.filter((_, column) => isUsed[column])));
}

export type Tree = { readonly row: Row; readonly children: readonly Tree[] };

/** Rows of a forest in reading order, branches drawn into the first cell. */
export function treeRows(trees: readonly Tree[]): Row[] {
  return trees.flatMap(({ row, children }) => [row, ...branchRows(children, "")]);
}

function branchRows(trees: readonly Tree[], indent: string): Row[] {
  return trees.flatMap(({ row, children }, at) => {
    const isLast = at === trees.length - 1;
    const [first = "", ...rest] = row;
    const drawn = [`${indent}${isLast ? "└─ " : "├─ "}${first}`, ...rest];
    return [drawn, ...branchRows(children, `${indent}${isLast ? "   " : "│  "}`)];
  });
}

// The tables of docs/doctor.md, from the rules and the catalogue themselves. `node
// scripts/doctor-page.ts` writes them between their marks; a test fails while they are not what
// this makes.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { catalogue } from "../src/doctor/catalogue.ts";
import { ruleTable } from "../src/doctor/rules.ts";

export const doctorPagePath = join(import.meta.dirname, "..", "docs", "doctor.md");

const severityWords = { error: "error", warning: "warning", info: "note" } as const;

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [heading, heading.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);

const ruleRows = ruleTable.map(({ id, group, severity, title, needsReboot, answers }) => [
  `\`${id}\``,
  group,
  severityWords[severity],
  title,
  needsReboot ? "yes" : "",
  answers.join(", "),
]);

const catalogueRows = catalogue.map(({ id, title, unanswered, leftOut }) => {
  const rules = ruleTable.filter(({ answers }) => answers.includes(id)).map((rule) => rule.id);
  const named = rules.map((rule) => `\`${rule}\``).join(", ");
  return [id, title, unanswered ?? (leftOut === undefined ? named : `${named}; ${leftOut}`)];
});

const sections: Readonly<Record<string, readonly string[]>> = {
  rules: table(["rule", "group", "at worst", "finds", "boot", "answers"], ruleRows),
  catalogue: table(["point", "about", "answered by, or why not"], catalogueRows),
};

/** The page with its tables as they are now. */
export function withTables(page: string): string {
  return Object.entries(sections).reduce(
    (text, [name, lines]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end of ${name} -->)`),
        (_all, start: string, end: string) => `${start}${lines.join("\n")}\n${end}`,
      ),
    page,
  );
}

if (import.meta.main) {
  writeFileSync(doctorPagePath, withTables(readFileSync(doctorPagePath, "utf8")));
}

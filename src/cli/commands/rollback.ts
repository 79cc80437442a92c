// `sriovctl rollback`: returns to the state before the last apply.

import { previewRollback, rollback as rollbackHost } from "../../apply/recover.ts";
import { exitCodeOfReport, printReport, reportJson } from "../apply-report.ts";
import { assertWritable, confirm, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { withHost, type RunCommand } from "../context.ts";
import { plural } from "../list-text.ts";

const wanted = ["undone"] as const;

export const rollback: RunCommand = async (context, args) => {
  const consent = consentOf(args);
  return withHost(context, async (host) => {
    assertWritable(context, host, "roll back");
    return withSession(context, host, { lockWaitMs: 0 }, async (session) => {
      const { journal, way } = await previewRollback(session, consent);
      const { command: applied, startedAt } = journal.header;
      const count = plural(way.actions.length, "action");
      context.print(`Takes back ${count} of ${applied} (${startedAt})`);
      const question = `Roll back on ${host.identity.name}?`;
      if (!args.isSet("yes") && !(await confirm(context, question))) {
        context.log.note("Nothing was changed");
        return 3;
      }
      const { commandLine: command } = context;
      const report = await withProgress(context, way.actions, false, (options) =>
        rollbackHost(session, { ...options, consent, command }),
      );
      context.printJson(reportJson(report));
      printReport(context, report, wanted);
      return exitCodeOfReport(report, wanted);
    });
  });
};

// `sriovctl confirm`: the change of the last apply stays. Saying it twice does no harm.

import { confirmApply, type Confirmation } from "../../apply/confirm.ts";
import { assertWritable, withSession } from "../changing.ts";
import { withHost, type RunCommand } from "../context.ts";

const confirmFormat = "sriovctl-confirm/1";

/** The watchdog may just be at it: then it is too late, and that is the better answer. */
const lockWaitMs = 30_000;

function sentenceOf({ kind, journal }: Confirmation): string {
  const command = journal?.header.command ?? "";
  switch (kind) {
    case "confirmed":
      return `Confirmed: ${command} stays`;
    case "confirmed-before":
      return `Nothing to confirm: ${command} was confirmed at ${journal?.window?.at}`;
    case "nothing":
      return "Nothing to confirm: the last apply waits for nobody";
  }
}

export const confirmCommand: RunCommand = async (context) =>
  withHost(context, async (host) => {
    assertWritable(context, host, "confirm");
    const confirmation = await withSession(context, host, { lockWaitMs }, (session) =>
      confirmApply(session, context.commandLine),
    );
    const { kind, journal } = confirmation;
    const message = sentenceOf(confirmation);
    const command = journal?.header.command ?? null;
    const document = { outcome: kind, journal: journal?.id ?? null, command, message };
    context.printJson({ format: confirmFormat, ...document });
    context.print(kind === "confirmed" ? context.style("good", message) : message);
    return 0;
  });

// `sriovctl status`: one screen. Exit code 4 when somebody should look: the host differs from its
// specs, or something has not come to its end.

import { exitCodeOf } from "../../model/errors.ts";
import { withHost, type RunCommand } from "../context.ts";
import { needsAttention, statusFacts } from "../status-facts.ts";
import { statusJson } from "../status-json.ts";
import { statusText } from "../status-text.ts";

export const status: RunCommand = async (context, args) => {
  const facts = await withHost(context, (host) => statusFacts(context, args, host));
  context.printJson(statusJson(facts));
  context.print(...statusText(facts, context.style, context.io.stdout.columns));
  return needsAttention(facts) ? exitCodeOf("drift") : 0;
};

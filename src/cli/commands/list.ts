// `sriovctl list`: the inventory, as a tree for people or as JSON for programs.

import { fullInventory } from "../../host/host.ts";
import { withHost, type RunCommand } from "../context.ts";
import { listJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";

export const list: RunCommand = async (context, args) => {
  const wanted = { ...fullInventory, reservations: "defined" } as const;
  const inventory = await withHost(context, (host) => host.inventory(wanted));
  if (context.isJson) {
    context.printJson(listJson(inventory));
  } else {
    // Programs read `list` often and need no tree.
    const { listText } = await import("../list-text.ts");
    context.print(...listText(inventory, context.style, args.isSet("wide") ? "wide" : "narrow"));
  }
  for (const problem of inventory.problems) {
    context.log.warn(problemSentence(problem), problem.hint);
  }
  return 0;
};

// `sriovctl list`: the inventory, as a tree for people or as JSON for programs.

import { fullInventory } from "../../host/host.ts";
import { withHost, type RunCommand } from "../context.ts";
import { listJson } from "../inventory-json.ts";
import { listText } from "../list-text.ts";
import { problemSentence } from "../logger.ts";

export const list: RunCommand = async (context, args) => {
  const inventory = await withHost(context, (host) => host.inventory(fullInventory));
  context.printJson(listJson(inventory));
  context.print(...listText(inventory, context.style, args.isSet("wide") ? "wide" : "narrow"));
  for (const problem of inventory.problems) {
    context.log.warn(problemSentence(problem), problem.hint);
  }
  return 0;
};

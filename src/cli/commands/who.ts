// `sriovctl who TARGET`: everybody who uses one PF or VF, with all that was seen of them.

import { fullInventory } from "../../host/host.ts";
import { withHost, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
import { problemSentence } from "../logger.ts";
import { whoJson } from "../who-json.ts";
import { whoText } from "../who-text.ts";

export const who: RunCommand = async (context, args) => {
  const [target = ""] = args.operands;
  const inventory = await withHost(context, async (host) => {
    const everything = await host.inventory({ ...fullInventory, census: false });
    const { pf } = findFunction(everything, target);
    return await host.inventory({ ...fullInventory, only: [pf.address] });
  });
  const { pf, vf } = findFunction(inventory, target);
  context.printJson(whoJson(inventory, pf, vf));
  context.print(...whoText(pf, vf, context.style));
  for (const problem of inventory.problems) {
    context.log.warn(problemSentence(problem), problem.hint);
  }
  return 0;
};

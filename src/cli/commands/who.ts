// `sriovctl who TARGET`: everybody who uses one PF or VF, with all that was seen of them, and whose
// configuration names it. Exit 4 where two want the same.

import { conflictsOn } from "../../coexist/conflicts.ts";
import { fullInventory } from "../../host/host.ts";
import { withHost, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
import { problemSentence } from "../logger.ts";
import { namedFunctions } from "../spec-labels.ts";
import { whoJson } from "../who-json.ts";
import { whoText } from "../who-text.ts";

export const who: RunCommand = async (context, args) => {
  const [target = ""] = args.operands;
  const { inventory, address } = await withHost(context, async (host) => {
    const everything = await host.inventory({ ...fullInventory, census: false });
    const { pf, vf } = await namedFunctions(context, args, everything)(target);
    const only = [pf.address];
    const options = { only, detailOf: only, claims: true, reservations: "everything" } as const;
    const inventory = await host.inventory({ ...fullInventory, ...options });
    return { inventory, address: (vf ?? pf).address };
  });
  const { pf, vf } = findFunction(inventory, address);
  const conflicts = conflictsOn(pf, inventory.claims ?? []).filter(
    ({ address }) => vf === null || address === vf.address,
  );
  const answer = { inventory, pf, vf, conflicts };
  context.printJson(whoJson(answer));
  context.print(...whoText(answer, context.style));
  for (const problem of inventory.problems) {
    context.log.warn(problemSentence(problem), problem.hint);
  }
  return conflicts.length === 0 ? 0 : 4;
};

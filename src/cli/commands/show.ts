// `sriovctl show TARGET`: one PF or VF with everything known about it.

import { fullInventory } from "../../host/host.ts";
import { withHost, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
import { showPfJson, showVfJson } from "../inventory-json.ts";
import { showPfText, showVfText } from "../show-text.ts";
import { namedFunctions } from "../spec-labels.ts";

export const show: RunCommand = async (context, args) => {
  const [target = ""] = args.operands;
  await withHost(context, async (host) => {
    const everything = await host.inventory(fullInventory);
    const found = await namedFunctions(context, args, everything)(target);
    // Overrides and MSI-X counts are read only for the one that was asked for.
    const inventory = await host.inventory({
      ...fullInventory,
      only: [found.pf.address],
      detailOf: [found.pf.address],
      reservations: "defined",
    });
    const { pf, vf } = findFunction(
      inventory,
      found.vf === null ? found.pf.address : `${found.pf.address}/vf${found.vf.vfIndex}`,
    );
    if (vf === null) {
      context.printJson(showPfJson(inventory, pf));
      context.print(...showPfText(pf, inventory, context.style));
    } else {
      context.printJson(showVfJson(inventory, pf, vf));
      context.print(...showVfText(vf, pf, context.style));
    }
  });
  return 0;
};

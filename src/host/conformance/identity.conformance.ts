// What functions show: registers, addresses of VFs, IOMMU groups, and that new VFs are blank.

import assert from "node:assert/strict";
import { parseBdf } from "../../model/bdf.ts";
import type { VfAttribute } from "../../model/vf-attribute.ts";
import { decodeFunction } from "../../pci/decode-function.ts";
import { vfAddresses } from "../../pci/routing-id.ts";
import type { Case } from "./asking.ts";
import {
  expectDone,
  numVfs,
  autoprobe,
  override,
  inventoryOf,
  pfOf,
  vfOf,
  makeBareVfs,
  freshIgbPolicy,
} from "./asking.ts";

export const identityCases: Readonly<Record<string, Case>> = {
  "a PF shows what its registers and its driver say": async ({ host, igb }) => {
    const pf = await pfOf(host, igb);
    assert.partialDeepStrictEqual(pf, {
      vendorId: 0x8086,
      deviceId: 0x10c9,
      classCode: 0x020000,
      driver: "igb",
      driverOverride: null,
      totalVfs: 7,
      capabilityTotalVfs: 8,
      numVfs: 0,
      isChanging: false,
      firstVfOffset: 0x80,
      vfStride: 2,
      vfDeviceId: 0x10ca,
      vfTotalMsix: 0,
      eswitchMode: null,
      virtualFunctions: [],
    });
    assert.equal(pf.path.length, 1);
    assert.equal(pf.netdevs.length, 1);
    assert.equal(pf.permanentMac, pf.netdevs[0]?.permanentMac);
  },

  "VFs are where First VF Offset and VF Stride put them, and blank": async ({ host, igb }) => {
    const addresses = await makeBareVfs(host, igb, 7);
    const pf = await pfOf(host, igb);
    const bdf = parseBdf(igb);
    assert(bdf !== null);
    const placement = { firstVfOffset: pf.firstVfOffset ?? 0, vfStride: pf.vfStride ?? 0 };
    assert.deepEqual(addresses, vfAddresses(bdf, placement, 7));
    for (const vf of pf.virtualFunctions) {
      assert.partialDeepStrictEqual(vf, { driver: null, driverOverride: null, netdevs: [] });
      assert.deepEqual(vf.policy, freshIgbPolicy);
    }
    const groups = pf.virtualFunctions.map(({ iommuGroup }) => iommuGroup);
    assert.equal(new Set([...groups, pf.iommuGroup]).size, 8, "each function has its own group");
    const sriov = decodeFunction(await host.readConfig(igb)).extendedCapabilities.find(
      ({ body }) => body?.kind === "sriov",
    );
    assert.partialDeepStrictEqual(sriov?.body, { numVfs: 7, vfEnable: true, vfMse: true });
    const vfConfig = decodeFunction(await host.readConfig(addresses[0] ?? ""));
    assert.partialDeepStrictEqual(vfConfig, { vendorId: 0xffff, deviceId: 0xffff });
    await expectDone(host, numVfs(igb, 0));
  },

  "VFs that are made again are blank, in the groups that were free": async ({ host, igb }) => {
    const [first = ""] = await makeBareVfs(host, igb, 2);
    const before = await vfOf(host, igb, 0);
    const trust: VfAttribute = { name: "trust", isOn: true };
    await expectDone(
      host,
      override(first, "vfio-pci"),
      { verb: "setVf", pf: igb, vfIndex: 0, attribute: trust },
      numVfs(igb, 0),
    );
    await makeBareVfs(host, igb, 2);
    const again = await vfOf(host, igb, 0);
    assert.partialDeepStrictEqual(again, { driverOverride: null, policy: { trust: false } });
    assert.equal(again.iommuGroup, before.iommuGroup);
    await expectDone(host, numVfs(igb, 0));
  },

  "below a port without ACS port, PF and VFs share a group": async (subject) => {
    const { host, igbWithoutAcs, portWithoutAcs } = subject;
    await makeBareVfs(host, igbWithoutAcs, 2);
    const { bridges } = await inventoryOf(host, igbWithoutAcs);
    const port = bridges.find(({ address }) => address === portWithoutAcs);
    const pf = await pfOf(host, igbWithoutAcs);
    const groups = [port, pf, ...pf.virtualFunctions].map((each) => each?.iommuGroup);
    assert.equal(new Set(groups).size, 1, `groups are ${groups.join(" ")}`);
    await expectDone(host, numVfs(igbWithoutAcs, 0), autoprobe(igbWithoutAcs, true));
  },
};

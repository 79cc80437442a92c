// A second encoder of link messages, written from net/core/rtnetlink.c rtnl_fill_vfinfo() and
// not from our codec: little-endian, with Buffer, every VF_INFO in the kernel's own order and
// every length cut to 16 bits as the kernel cuts it. Decoders are tested against this one.

import type { VfPolicy } from "../src/model/vf-attribute.ts";

const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

export function kernelAttribute(type: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(4);
  header.writeUInt16LE((payload.length + 4) % 0x10000, 0);
  header.writeUInt16LE(type, 2);
  return pad(Buffer.concat([header, payload]));
}

export const words = (...values: readonly number[]): Buffer =>
  Buffer.concat(
    values.map((value) => {
      const word = Buffer.alloc(4);
      word.writeUInt32LE(value);
      return word;
    }),
  );

const hexBytes = (text: string): Buffer => Buffer.from(text.replaceAll(":", ""), "hex");
const tristate = (value: boolean | null): number => (value === null ? 0xffffffff : Number(value));

export type KernelVf = {
  readonly vfIndex: number;
  readonly policy: VfPolicy;
  /** Each counter is its type number plus this. */
  readonly statisticsFrom: bigint | null;
};

function statistics(from: bigint): Buffer {
  const counters = [0, 1, 2, 3, 4, 5, 7, 8].map((type) => {
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(from + BigInt(type));
    return kernelAttribute(type, value);
  });
  return kernelAttribute(8, ...counters);
}

const guid = (vfIndex: number, text: string): Buffer =>
  Buffer.concat([words(vfIndex, 0), Buffer.from(hexBytes(text).toReversed())]);

/** One VF_INFO: 196 bytes, 296 with statistics, 40 more with GUIDs. */
export function kernelVfInfo({ vfIndex, policy, statisticsFrom }: KernelVf): Buffer {
  const { vlan, nodeGuid, portGuid } = policy;
  const mac = Buffer.alloc(32);
  hexBytes(policy.mac ?? "").copy(mac);
  const protocol = Buffer.from(vlan?.protocol === "802.1ad" ? "88a80000" : "81000000", "hex");
  const tag = [vlan?.id ?? 0, vlan?.qos ?? 0];
  const linkState = ["auto", "enable", "disable"].indexOf(policy.linkState ?? "auto");
  const [min, max] = [policy.txRateMinMbps ?? 0, policy.txRateMaxMbps ?? 0];
  return kernelAttribute(
    1,
    kernelAttribute(1, words(vfIndex), mac),
    kernelAttribute(13, Buffer.alloc(32, 0xff)),
    kernelAttribute(2, words(vfIndex, ...tag)),
    kernelAttribute(6, words(vfIndex, min, max)),
    kernelAttribute(3, words(vfIndex, max)),
    kernelAttribute(4, words(vfIndex, tristate(policy.spoofCheck))),
    kernelAttribute(5, words(vfIndex, linkState)),
    kernelAttribute(7, words(vfIndex, tristate(policy.rssQuery))),
    kernelAttribute(9, words(vfIndex, tristate(policy.trust))),
    ...(nodeGuid === null ? [] : [kernelAttribute(10, guid(vfIndex, nodeGuid))]),
    ...(portGuid === null ? [] : [kernelAttribute(11, guid(vfIndex, portGuid))]),
    kernelAttribute(12, kernelAttribute(1, words(vfIndex, ...tag), protocol)),
    ...(statisticsFrom === null ? [] : [statistics(statisticsFrom)]),
  );
}

type KernelLink = {
  readonly ifindex: number;
  readonly name: string;
  /** null leaves NUM_VF out. */
  readonly numVf: number | null;
  readonly vfs: readonly Buffer[];
};

/** A whole RTM_NEWLINK of an Ethernet PF, with attributes before and after its VFs. */
export function kernelLink({ ifindex, name, numVf, vfs }: KernelLink): Buffer {
  const parent = "0000:3b:00.0";
  const header = Buffer.concat([Buffer.from([0, 0, 1, 0]), words(ifindex, 0x11043, 0)]);
  const payload = Buffer.concat([
    header,
    kernelAttribute(3, Buffer.from(`${name}\0`)),
    kernelAttribute(4, words(1500)),
    kernelAttribute(1, hexBytes("b4:96:91:00:00:10")),
    ...(numVf === null ? [] : [kernelAttribute(21, words(numVf))]),
    kernelAttribute(22, ...vfs),
    kernelAttribute(33, Buffer.from([1])),
    kernelAttribute(54, hexBytes("b4:96:91:00:00:10")),
    kernelAttribute(56, Buffer.from(`${parent}\0`)),
    kernelAttribute(57, Buffer.from("pci\0")),
  ]);
  return Buffer.concat([words(16 + payload.length, 16, 1, 0), payload]);
}

// Netlink replies in a capture: they come back as they were, and without identifiers they say the
// same of everything but those. The messages are a real kernel's, and lists that wrapped at 64 KiB.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capture, readCaptures } from "../../test/captures.ts";
import { freshIgbPolicy } from "../../test/inventory-of.ts";
import { kernelLink, kernelVfInfo } from "../../test/kernel-bytes.ts";
import { onlyMessage } from "../../test/only-message.ts";
import { decodeLink } from "../netlink/link.ts";
import type { Link } from "../netlink/link-attributes.ts";
import type { Evidence } from "./evidence.ts";
import { decodeReplies, encodeReplies, type NetlinkReplies } from "./netlink-replies.ts";
import { question } from "./questions.ts";
import { replaceInEvidence } from "./redact.ts";

const kernel = readCaptures("netlink-vfs.txt");
const payloadOf = (name: string): Uint8Array => onlyMessage(capture(kernel, name)).payload;

const nothing: NetlinkReplies = { links: [], speeds: [], eswitch: [], problems: [] };
const payload = fc.uint8Array({ maxLength: 600 });

test("replies come back as they were", () => {
  const replies = fc.record(
    {
      links: fc.array(payload),
      speeds: fc.array(fc.tuple(fc.stringMatching(/^[a-z0-9]{1,15}$/), fc.nat(999_999_999))),
      eswitch: fc.array(fc.tuple(fc.constant("0000:3b:00.0"), payload)),
      problems: fc.array(
        fc.record(
          { code: fc.string(), where: fc.string(), message: fc.string() },
          { noNullPrototype: true },
        ),
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(replies, (given) => {
      assert.deepEqual(decodeReplies(encodeReplies(given)), given);
    }),
    { numRuns: 100 },
  );
});

test("replies that say they are long are not believed without end", () => {
  const lines = Array.from({ length: 1000 }, () => "link 2097152");
  assert.ok(decodeReplies(lines).links.length <= 16);
});

test("lines of another shape count as not recorded, whatever they say", () => {
  for (const lines of [
    ["link 4", "000: 00 00 00 00 00"],
    ["link 99999999"],
    ["link -1", "000: 00"],
    ["000: 00"],
    ["speed eth0 fast"],
    ["eswitch 0000:3b:00.0"],
    ["problem {"],
    [""],
  ]) {
    assert.deepEqual(decodeReplies(lines), nothing, lines.join("|"));
  }
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (lines) => void decodeReplies(lines)),
    { numRuns: 100 },
  );
});

function linkOf(bytes: Uint8Array): Link {
  const { link, problems } = decodeLink({
    type: 16,
    flags: 0,
    sequence: 0,
    portId: 0,
    payload: bytes,
  });
  assert.deepEqual(problems, []);
  assert.ok(link);
  return link;
}

function replaced(links: readonly Uint8Array[], texts: readonly string[] = []): Evidence {
  const files = texts.map((text, at) => [`/${at}`, { kind: "text", text }] as const);
  return replaceInEvidence({
    header: { madeBy: "1", at: "now", identifiers: "raw", user: "root", isCut: false },
    files: new Map(files),
    answers: new Map([[question.netlinkReplies, encodeReplies({ ...nothing, links })]]),
  });
}

const linksIn = ({ answers }: Evidence): readonly Uint8Array[] =>
  decodeReplies(answers.get(question.netlinkReplies) ?? []).links;

/** All but addresses. */
function plain(link: Link) {
  const { mtu, isUp, numVf, kind, parentName, hasCarrier, ifindex, portName } = link;
  const vfs = link.virtualFunctions?.map(({ vfIndex, policy }) => ({
    vfIndex,
    policy: { ...policy, mac: null },
  }));
  return { mtu, isUp, numVf, kind, parentName, hasCarrier, ifindex, portName, vfs };
}

const wrapped = (numVfs: number): Uint8Array => {
  const vfs = Array.from({ length: numVfs }, (_, vfIndex) => {
    const mac = `b4:96:91:aa:${(vfIndex >> 8).toString(16).padStart(2, "0")}:${(vfIndex & 255).toString(16).padStart(2, "0")}`;
    return kernelVfInfo({ vfIndex, policy: { ...freshIgbPolicy, mac }, statisticsFrom: null });
  });
  const link = kernelLink({ ifindex: 7, name: "enxb496910000aa", numVf: numVfs, vfs });
  return new Uint8Array(link.subarray(16));
};

for (const [name, bytes] of [
  ["of netdevsim", payloadOf("netdevsim")],
  ["of netdevsim with statistics", payloadOf("netdevsim-statistics")],
  ["of igb", payloadOf("igb")],
  ["with 3 VFs", wrapped(3)],
  ["with 335 VFs, whose list wraps", wrapped(335)],
  ["with 400 VFs", wrapped(400)],
] as const) {
  test(`a link ${name} says the same without its identifiers`, () => {
    const before = linkOf(bytes);
    const [result = new Uint8Array()] = linksIn(replaced([bytes]));
    const after = linkOf(result);
    assert.deepEqual(plain(after), plain(before));
    const macs = (link: Link) =>
      [link.mac, link.permanentMac, ...(link.virtualFunctions ?? []).map((vf) => vf.policy.mac)]
        .map((mac) => mac ?? "")
        .filter((mac) => !/^(?:(?:00:)+00|)$/.test(mac));
    const standIns = macs(after);
    assert.ok(standIns.length > 0 && standIns.length === macs(before).length);
    // Not as values: a stand-in may be what another one had.
    assert.ok(macs(before).every((mac, at) => mac !== standIns[at]));
    assert.equal(new Set(standIns).size, new Set(macs(before)).size);
  });
}

test("an address has one stand-in, in bytes, names and texts", () => {
  const evidence = replaced([wrapped(3)], ["b4:96:91:00:00:10", "b4:96:91:aa:00:01"]);
  const { name, mac, virtualFunctions } = linkOf(linksIn(evidence)[0] ?? new Uint8Array());
  const [pf, vf] = [...evidence.files.values()].map((file) =>
    file.kind === "text" ? file.text : "",
  );
  assert.equal(mac, pf);
  assert.equal(virtualFunctions?.[1]?.policy.mac, vf);
  assert.match(name, /^enxb49691[0-9a-f]{6}$/);
  assert.notEqual(name, "enxb496910000aa");
});

test("no bytes make the replacing throw, and what is left of them ends", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1500), (noise, at) => {
      const bytes = wrapped(3).slice();
      bytes.set(noise.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length);
      linksIn(replaced([bytes, noise]));
    }),
    { numRuns: 200 },
  );
});

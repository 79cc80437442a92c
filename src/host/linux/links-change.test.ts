// Changes of links and the uevents of new ones, in a network namespace of our own: this file
// starts itself again inside one, so that nothing of the machine is touched.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { SriovError } from "../../model/errors.ts";
import type { Link } from "../../netlink/link-attributes.ts";
import { openIpLinks } from "./ip-links.ts";
import type { Links } from "./links.ts";
import { openNetlinkLinks } from "./netlink-links.ts";
import { UeventSocket } from "./netlink-socket.ts";

const isInside = process.argv.includes("--inside");
const namespace = process.geteuid?.() === 0 ? ["unshare", "-n"] : ["unshare", "-rn"];

function run(...words: readonly string[]): { readonly status: number | null; stderr: string } {
  const [command = "", ...args] = words;
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { status, stderr: stderr ?? "" };
}

function linkNamed(links: Links, name: string): Link {
  const link = links.readLinks().links.find((each) => each.name === name);
  assert.ok(link, name);
  return link;
}

async function changeLinks(): Promise<void> {
  const uevents = UeventSocket.open();
  const netlink = openNetlinkLinks();
  assert.ok(uevents && netlink, "node:ffi works on this machine");
  assert.deepEqual(await uevents.awaitUevents(1), []);
  assert.equal(run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1").status, 0);
  const seen = await uevents.awaitUevents(5000);
  assert.ok(
    seen.some(({ action, properties }) => action === "add" && properties.get("INTERFACE") === "v0"),
  );
  uevents.close();
  for (const [links, mtu, errno] of [
    [netlink, 1400, "EINVAL"],
    // Where the kernel explains itself, ip(8) prints the words instead of the errno.
    [openIpLinks(), 1300, null],
  ] as const) {
    const v0 = linkNamed(links, "v0");
    assert.equal(v0.isUp, false);
    links.setMtu(v0, mtu);
    links.setAdminState(v0, true);
    for (const reader of [netlink, openIpLinks()]) {
      const { mtu: mtuNow, isUp } = linkNamed(reader, "v0");
      assert.deepEqual([mtuNow, isUp], [mtu, true]);
    }
    links.setAdminState(v0, false);
    assert.throws(
      () => links.setMtu(v0, 1),
      (error) =>
        error instanceof SriovError &&
        error.code === "kernel-refused" &&
        error.errno === errno &&
        /mtu less than device minimum/.test(error.message),
    );
  }
  assert.throws(
    () => netlink.setMtu({ ifindex: 12_345, name: "gone" }, 1400),
    (error) => error instanceof SriovError && error.code === "not-found",
  );
  netlink.close();
}

if (isInside) await changeLinks();
else {
  const canUnshare = run(...namespace, "ip", "link", "add", "type", "veth").status === 0;
  const skip = canUnshare ? false : "no new network namespace with a veth pair to be had here";
  test("links are changed, and their uevents heard, by netlink and by ip(8)", { skip }, () => {
    const again = run(...namespace, process.execPath, import.meta.filename, "--inside");
    assert.equal(again.status, 0, again.stderr);
  });
}

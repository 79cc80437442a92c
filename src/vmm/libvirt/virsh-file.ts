// XML for virsh, which reads a device or a network from a file only: Node's pipes are sockets, which
// cannot be opened again.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The file is there as long as `use` takes. */
export async function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "sriovctl-virsh-"));
  try {
    const file = join(folder, "libvirt.xml");
    await writeFile(file, text);
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// Where the user who runs this command came from. sshd says it in SSH_CONNECTION; sudo drops it
// from our environment, so the processes above are asked too.

import { TreeReader } from "../tree-reader.ts";

type Origin = { readonly clientAddress: string; readonly serverAddress: string };

/** `CLIENT PORT SERVER PORT`; a link-local address has `%INTERFACE` behind it. */
export function parseSshConnection(text: string): Origin | null {
  const [client, , server] = text.split(" ");
  if (client === undefined || server === undefined || server === "") return null;
  const bare = (address: string): string => address.replace(/%.*$/, "");
  return { clientAddress: bare(client), serverAddress: bare(server) };
}

/** So far up a process may have been started from a login. */
const ancestorsMax = 32;

export function readOrigin(proc: string): Origin | null {
  const own = process.env["SSH_CONNECTION"];
  if (own !== undefined) return parseSshConnection(own);
  const reader = new TreeReader();
  let pid = process.ppid;
  for (let depth = 0; depth < ancestorsMax && pid > 1; depth++) {
    const environment = reader.wholeText(`${proc}/${pid}/environ`, ["EACCES", "ESRCH"]);
    const entry = environment?.split("\0").find((word) => word.startsWith("SSH_CONNECTION="));
    if (entry !== undefined) return parseSshConnection(entry.slice("SSH_CONNECTION=".length));
    const status = reader.textIfThere(`${proc}/${pid}/status`, ["ESRCH"]);
    pid = Number(/^PPid:\s*([0-9]+)$/m.exec(status ?? "")?.[1] ?? 0);
  }
  return null;
}

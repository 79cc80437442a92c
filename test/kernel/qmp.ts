// QEMU's machine protocol, as far as the lab needs it: a function is put into or taken out of the
// lab's free port while its kernel runs. One connection a command, as nobody waits for events here.

import { createConnection } from "node:net";
import { createInterface } from "node:readline";

type Reply = { readonly return?: unknown; readonly error?: { readonly desc: string } };

/** QEMU docs/interop/qmp-spec.rst: greeting, capabilities, then one reply a command among events. */
export async function executeQmp(
  socketPath: string,
  command: string,
  argumentsOfCommand: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const socket = createConnection(socketPath);
  const send = (execute: string, values: object): void => {
    socket.write(`${JSON.stringify({ execute, arguments: values })}\n`);
  };
  try {
    let isReady = false;
    for await (const line of createInterface({ input: socket })) {
      const reply: Reply = JSON.parse(line);
      if ("QMP" in reply) send("qmp_capabilities", {});
      else if (reply.error !== undefined) throw new Error(`${command}: ${reply.error.desc}`);
      else if (!("return" in reply)) continue;
      else if (isReady) return reply.return;
      else {
        isReady = true;
        send(command, argumentsOfCommand);
      }
    }
  } finally {
    socket.destroy();
  }
  throw new Error(`${command}: QEMU closed the connection`);
}

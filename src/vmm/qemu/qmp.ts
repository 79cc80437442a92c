// QEMU's machine protocol over a Unix socket (QEMU docs/interop/qmp-spec.rst): greeting, capabilities,
// then one reply a command, with events in between. Whoever listens there may be anybody: lines and
// what is kept of events are bounded, and nothing is waited for without a deadline.

import { createConnection, type Socket } from "node:net";
import { SriovError } from "../../model/errors.ts";
import { errnoOf, readErrorOf } from "../../model/file-error.ts";

type QmpEvent = { readonly name: string; readonly data: Readonly<Record<string, unknown>> };

export type QmpReply =
  | { readonly status: "returned"; readonly value: unknown }
  /** `errorClass` is QEMU's: GenericError, DeviceNotFound, CommandNotFound ... */
  | { readonly status: "refused"; readonly errorClass: string; readonly words: string };

type Values = Readonly<Record<string, unknown>>;

/** The longest that QEMU itself sends is some tens of KiB: properties of a device. */
const lineBytesMax = 4 * 1024 * 1024;
const eventsMax = 1000;
const wordsMax = 500;

const isRecord = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Words of the other end, for a message: one line, no control characters, bounded. */
const plainWords = (text: unknown): string =>
  String(text)
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ")
    .trim()
    .slice(0, wordsMax);

/** One line of the protocol; null where it is none. */
function parseQmpLine(line: string): Values | null {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function replyOf(message: Values): QmpReply {
  if (!isRecord(message["error"])) return { status: "returned", value: message["return"] };
  const { class: errorClass, desc } = message["error"];
  return { status: "refused", errorClass: plainWords(errorClass), words: plainWords(desc) };
}

const oneClient =
  "QEMU serves one client at a time at a socket: end the other one, or give the VM a second -qmp unix:PATH,server=on,wait=off";

export class QmpConnection {
  readonly #path: string;
  readonly #socket: Socket;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #nextId = 1;
  #failure: SriovError | null = null;
  readonly #messages: Values[] = [];
  readonly #events: QmpEvent[] = [];
  /** Called whenever there is something new to look at. */
  #wake: () => void = () => undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#socket = createConnection(path);
    this.#socket.on("data", (chunk) => this.#take(Buffer.from(chunk)));
    this.#socket.on("error", (error) => this.#fail(this.#unreachable(error)));
    this.#socket.on("close", () => this.#fail(this.#ended()));
  }

  /** Throws SriovError `not-found`, `permission` or `consumer-refused`. */
  static async open(path: string, deadlineMs: number): Promise<QmpConnection> {
    const connection = new QmpConnection(path);
    try {
      const greeting = await connection.#next((message) => "QMP" in message, deadlineMs);
      if (greeting === null) {
        const why = `nothing greets within ${deadlineMs} ms; another client may be connected`;
        throw connection.#error("consumer-refused", why, oneClient);
      }
      await connection.call("qmp_capabilities", {}, deadlineMs);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Throws SriovError when no answer comes; a refusal is an answer. */
  async execute(command: string, values: Values, deadlineMs: number): Promise<QmpReply> {
    const id = `sriovctl-${this.#nextId++}`;
    if (this.#failure !== null) throw this.#failure;
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: values, id })}\n`);
    const reply = await this.#next((message) => message["id"] === id, deadlineMs);
    if (reply !== null) return replyOf(reply);
    throw this.#error("consumer-refused", `no answer to ${command} within ${deadlineMs} ms`);
  }

  /** As `execute`, but a refusal throws SriovError `consumer-refused` with QEMU's own words. */
  async call(command: string, values: Values, deadlineMs: number): Promise<unknown> {
    const reply = await this.execute(command, values, deadlineMs);
    if (reply.status === "returned") return reply.value;
    throw this.#error("consumer-refused", `${command}: ${reply.words}`);
  }

  /** The first event since the connection was opened that fits; null: none until the deadline. */
  async awaitEvent(
    fits: (event: QmpEvent) => boolean,
    deadlineMs: number,
  ): Promise<QmpEvent | null> {
    return await this.#look(() => this.#events.find(fits), deadlineMs);
  }

  #next(fits: (message: Values) => boolean, deadlineMs: number): Promise<Values | null> {
    return this.#look(() => {
      const at = this.#messages.findIndex(fits);
      return at === -1 ? undefined : this.#messages.splice(at, 1)[0];
    }, deadlineMs);
  }

  /** Looks now and whenever something came. One waits at a time. */
  #look<T>(find: () => T | undefined, deadlineMs: number): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        act();
      };
      const timer = setTimeout(() => finish(() => resolve(null)), deadlineMs);
      this.#wake = () => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.#failure !== null) finish(() => reject(this.#failure));
      };
      this.#wake();
    });
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...this.#pieces, rest.subarray(0, end)]);
      this.#pieces = [];
      this.#bytes = 0;
      rest = rest.subarray(end + 1);
      this.#takeLine(line);
      if (this.#failure !== null) return;
    }
    if (rest.length > 0) this.#pieces.push(rest);
    this.#bytes += rest.length;
    if (this.#bytes > lineBytesMax) this.#foreign(`a line of more than ${lineBytesMax} bytes`);
    this.#wake();
  }

  #takeLine(line: Buffer): void {
    const text = line.toString("utf8").trim();
    if (text === "") return;
    const message = line.length > lineBytesMax ? null : parseQmpLine(text);
    if (message === null) this.#foreign(`"${plainWords(text.slice(0, 60))}"`);
    else if (typeof message["event"] === "string") {
      const data = isRecord(message["data"]) ? message["data"] : {};
      if (this.#events.push({ name: message["event"], data }) > eventsMax) this.#events.shift();
    } else if (this.#messages.push(message) > eventsMax) this.#messages.shift();
  }

  #foreign(what: string): void {
    const why = `it says ${what}, wanted QEMU's machine protocol`;
    const hint = "Name the socket of -qmp, or of a monitor with mode=control";
    this.#fail(this.#error("consumer-refused", why, hint));
    this.#socket.destroy();
  }

  #fail(error: SriovError): void {
    this.#failure ??= error;
    this.#wake();
  }

  #ended(): SriovError {
    const hint = "See whether the VM still runs, and ask again";
    return this.#error("not-found", "QEMU closed the connection", hint);
  }

  #unreachable(error: Error): SriovError {
    const errno = errnoOf(error);
    if (errno === "EACCES" || errno === "EPERM") {
      return this.#error("permission", readErrorOf(error));
    }
    const why = errno === "ECONNREFUSED" ? "nobody listens there" : readErrorOf(error);
    const hint = "Start the VM with -qmp unix:PATH,server=on,wait=off, or name its socket";
    return this.#error("not-found", why, hint);
  }

  #error(
    code: "not-found" | "permission" | "consumer-refused",
    why: string,
    hint?: string,
  ): SriovError {
    const path = this.#path;
    return new SriovError(code, `Cannot talk to QEMU at ${path}: ${why}`, {
      operation: "talk to QEMU",
      target: path,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

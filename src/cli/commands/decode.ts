// `sriovctl decode FILE...`: what config space says, for people or as JSON. A host is opened for
// functions only, those named by their address.

import { existsSync } from "node:fs";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import { decodeFunction } from "../../pci/decode-function.ts";
import { withHost, type Context, type RunCommand } from "../context.ts";
import { decodeJson } from "../decode-json.ts";
import { decodeText } from "../decode-text.ts";
import { decodeExitCode, decodeFiles, type DecodedFile } from "../decode.ts";

export const decode: RunCommand = async (context, args) => {
  const files: DecodedFile[] = [];
  for (const operand of args.operands) {
    const isFunction = parseBdf(operand) !== null && !existsSync(operand);
    files.push(...(isFunction ? [await decodeOnHost(context, operand)] : decodeFiles([operand])));
  }
  context.printJson(decodeJson(files));
  context.print(...decodeText(files, context.style));
  for (const { file, problems } of files) {
    for (const { code, message, hint } of problems) {
      const isNamed = code === "file-unreadable";
      const name = file === "-" ? "Standard input" : file;
      context.log.error(isNamed ? message : `${name}: ${message}`, hint);
    }
  }
  return decodeExitCode(files);
};

async function decodeOnHost(context: Context, address: string): Promise<DecodedFile> {
  const bdf = parseBdf(address);
  try {
    const bytes = await withHost(context, (host) =>
      host.readConfig(bdf === null ? address : formatBdf(bdf)),
    );
    const config = decodeFunction(bytes);
    return { file: address, functions: [{ bdf, config, dumpProblems: [] }], problems: [] };
  } catch (error) {
    const isAbout = error instanceof SriovError && error.operation === "read config";
    if (!isAbout) throw error;
    const { message, hint } = error;
    const problem = { code: "file-unreadable", where: address, message, hint };
    return { file: address, functions: [], problems: [problem] };
  }
}

// `sriovctl decode FILE...`: what config space says, for people or as JSON. Touches no host.

import type { RunCommand } from "../context.ts";
import { decodeJson } from "../decode-json.ts";
import { decodeText } from "../decode-text.ts";
import { decodeExitCode, decodeFiles } from "../decode.ts";

export const decode: RunCommand = async (context, args) => {
  const files = decodeFiles(args.operands);
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

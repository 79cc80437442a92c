// `sriovctl schema`: the JSON Schema of the spec, for editors. It is JSON with and without --json.

import { specJsonSchema } from "../../model/spec-schema.ts";
import type { RunCommand } from "../context.ts";

export const schema: RunCommand = async ({ io }) => {
  io.stdout.write(`${JSON.stringify(specJsonSchema(), null, 2)}\n`);
  return 0;
};

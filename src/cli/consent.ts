// The users that the operator agrees to disrupt, as given with --allow-disruption. A word that can
// name nobody is an error: whoever typed it believes that somebody is taken care of.

import { SriovError } from "../model/errors.ts";
import { handOverWord, type Consent } from "../model/plan.ts";
import type { Arguments } from "./context.ts";

/** Throws SriovError `usage`. */
export function consentOf(args: Arguments): Consent {
  const words = args.texts("allow-disruption");
  const wrong = words.find((word) => !/^[^:]+:./.test(word));
  if (wrong === undefined) return args.isSet("hand-over") ? [...words, handOverWord] : words;
  const message = `Cannot allow disruption of ${wrong}: wanted KIND:NAME`;
  throw new SriovError("usage", message, {
    operation: "allow disruption",
    target: wrong,
    hint: "Take the words that sriovctl plan names, such as vm:web1 or protect:management",
  });
}

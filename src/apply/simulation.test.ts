// The first seeds of the simulation (test/sim), so that a change that breaks apply shows at once;
// the other ten thousand run in the suite `sim`.

import { test } from "node:test";
import { simulate } from "../../test/sim/simulate.ts";

test("the first 25 seeds of the simulation hold what apply promises", async () => {
  for (let seed = 0; seed < 25; seed++) await simulate(seed, new Map());
});

// The version, from package.json: kept out of main.ts because a bundle replaces it by the text.

import packageJson from "../../package.json" with { type: "json" };

export const { version } = packageJson;

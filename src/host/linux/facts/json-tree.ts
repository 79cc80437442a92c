// JSON of other programs, of whatever version: taken apart without believing its shape.

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // an old or foreign program: it told nothing
  }
}

type Tree = Readonly<Record<string, unknown>>;

export const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null;

export const treeIn = (value: unknown, key: string): Tree => {
  const inner = isTree(value) ? value[key] : null;
  return isTree(inner) ? inner : {};
};

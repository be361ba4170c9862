/** Paths of the files below a folder of the project whose names fit, in their order. Non-job: reading them. */

const ROOT = new URL("../../", import.meta.url);

/** `folder`: from the project's root, as in "plugins". */
export function filesBelow(folder: string, fits: RegExp): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...filesBelow(path, fits));
    else if (fits.test(path)) found.push(path);
  }
  return found.sort();
}

/**
 * What file names give away: kinds that run at a click, and names made to look like others. Pure, linear. Non-job:
 * content (kinds.ts).
 */

/** Kinds of file that run, mount or install at a click, in lower case without the dot. */
export const DENIED: readonly string[] = (
  "ade adp apk app application appref-ms appx appxbundle bat cab chm cmd com cpl diagcab dll dmg ex exe gadget hta img inf " +
  "ins iso isp jar jnlp js jse lib library-ms lnk mde msc msi msix msixbundle msp mst nsh one pif ps1 ps1xml ps2 psc1 psd1 " +
  "psm1 reg rgs scf scr sct search-ms settingcontent-ms shb sys url vb vbe vbs vhd vhdx vxd website wim wsc wsf wsh xll xnk"
).split(" ");

/** Kinds that a name pretends to be. */
const SHOWN = new Set(
  "bmp csv doc docx gif htm html jpeg jpg mp3 mp4 odt pdf png ppt pptx rtf tif tiff txt wav xls xlsx xml zip".split(
    " ",
  ),
);
/** Names of archives that can be looked into, and of documents that are archives. */
const ZIPS = new Set(
  "zip zipx jar docx docm dotx dotm xlsx xlsm xlsb xltx xltm xlam pptx pptm ppsx ppsm potx potm odt ods odp apk appx msix xpi"
    .split(
      " ",
    ),
);
/** Characters that turn the direction of what follows, or say nothing. */
// deno-lint-ignore no-control-regex
const TURNING = /[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\u0000-\u001f\u007f]/g;

/** Extensions from the last to the first, as Windows reads the name: without spaces, dots and colons at its end. */
export function extensionsOf(name: string): string[] {
  const plain = withoutTail(name.replace(TURNING, "").replace(/:[^:\\/]*$/, "")); // `a.exe:x` is a stream of a.exe
  const base = plain.slice(Math.max(plain.lastIndexOf("/"), plain.lastIndexOf("\\")) + 1).slice(-256).toLowerCase();
  return base.split(".").slice(1).map((each) => each.trim()).reverse();
}

function withoutTail(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === "." || name[end - 1]!.trim() === "" || name[end - 1] === '"')) end--;
  return name.slice(0, end);
}

/** The denied extension that the name has, or null. */
export function deniedBy(name: string, denied: ReadonlySet<string>): string | null {
  const [last = ""] = extensionsOf(name);
  return denied.has(last) ? last : null;
}

/** Why the name looks like another's, or null. */
export function disguiseOf(name: string, denied: ReadonlySet<string>): string | null {
  if (/[\u202a-\u202e\u2066-\u2069]/.test(name)) return "characters that turn the direction of reading";
  if (/\s{4}/.test(name.trim())) return "a row of spaces";
  const [last = "", before = ""] = extensionsOf(name);
  if (denied.has(last) && SHOWN.has(before)) return `.${before}.${last}`;
  // deno-lint-ignore no-control-regex
  return /[\u0000-\u001f\u007f]/.test(name) ? "control characters" : null;
}

/** The name of something that is, or hides, a ZIP archive. */
export function isZipName(name: string): boolean {
  return ZIPS.has(extensionsOf(name)[0] ?? "");
}

/** For logs and replies: 60 characters, no controls, nothing that turns the line around. */
export function shownName(name: string): string {
  // deno-lint-ignore no-control-regex
  const clean = name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, "?");
  return clean.length <= 60 ? clean : `${clean.slice(0, 40)}...${clean.slice(-17)}`;
}

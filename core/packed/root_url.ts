/**
 * The URL that a Worker starts from, for a root module that is a text. Non-job: what is in it (core/sandbox/root.ts).
 */

/** By its text: as many as there are plugins in sandboxes, for as long as the program runs. */
const urls = new Map<string, string>();

/**
 * `whole`: the text imports no file. Of a `data:` URL Deno keeps many copies, 70 MB for one of a megabyte; an object URL is
 * short, but may import no file.
 */
export function rootUrl(text: string, whole: boolean): string {
  if (!whole) return `data:text/javascript,${encodeURIComponent(text)}`;
  let url = urls.get(text);
  if (url === undefined) {
    url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    urls.set(text, url);
  }
  return url;
}

/** A form of one field that narrows a list; `/` leads into it. Non-job: forms with more to choose (queue, sessions). */
import { type Html, markup } from "./html.ts";
import { icon } from "./icons.ts";

export interface SearchField {
  readonly name: string;
  /** What is looked for; also what stands in the empty field. */
  readonly label: string;
  /** Characters at most. */
  readonly max: number;
  /** What is looked for now; undefined: all is shown. */
  readonly value: string | undefined;
}

/** `path`: the page with the list. `label`: what is searched, for those who hear it. */
export function searchForm(path: string, label: string, { name, label: words, max, value }: SearchField): Html {
  return markup`<form class="filter" role="search" action="${path}" aria-label="${label}">
  <div class="find">${
    icon("find")
  }<label class="vh" for="find">${words}</label><input id="find" name="${name}" type="search" maxlength="${max}" placeholder="${words}" value="${
    value ?? ""
  }" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></div>${
    value !== undefined && markup`<a href="${path}">Show all</a>`
  }
</form>`;
}

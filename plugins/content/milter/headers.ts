/**
 * The header section as a milter knows it, and what becomes of it: fields by index among those of their name, insertions by
 * index among all, places that stay theirs while it is at work, as Sendmail counts. Our own Received is hidden from it and
 * cannot be changed, but counts for insertions. Pure. Non-job: making the changes (the pipeline), asking for them (conversation.ts).
 */
import { type FieldChange, HeaderSection } from "../../../core/pipeline/mod.ts";
import type { Modification } from "./answers.ts";

/** A field for a milter. */
export interface ShownField {
  readonly name: string;
  /** What is behind the colon, as it stands. */
  readonly value: Uint8Array;
}

interface Slot {
  readonly name: string;
  /** The name without its case. */
  readonly key: string;
  readonly value: Uint8Array;
  /** Its place in the section as it was; null: the milter has added it, or it is not written yet. */
  readonly place: number | null;
  /** It stands in no section: a milter sees it and cannot change it. */
  readonly fixed: boolean;
  /** What it was changed to; null: it is gone; undefined: nothing. */
  text: string | null | undefined;
}

type HeaderModification = Extract<Modification, { change: "add-header" | "insert-header" | "change-header" }>;

export class MilterHeaders {
  readonly #section: Uint8Array;
  /** All of the section, our own Received too. */
  readonly #slots: Slot[];
  readonly #hidden: Slot | null;
  readonly #byName = new Map<string, Slot[]>();
  #changed = false;

  /**
   * `section`: as it stands. `pending`: fields that will stand in front of it and do not yet. `own`: what our own Received
   * has in it and no other.
   */
  constructor(section: Uint8Array, { pending, own }: { readonly pending: Uint8Array; readonly own: string }) {
    this.#section = section;
    this.#slots = [...slots(pending, true), ...slots(section, false)];
    this.#hidden = this.#slots.find((slot) => !slot.fixed && isOwn(slot, own)) ?? null;
    for (const slot of this.#slots) if (slot !== this.#hidden) this.#index(slot);
  }

  /** Whether places in it are places in that section. */
  isOf(section: Uint8Array): boolean {
    const own = this.#section;
    return section.length === own.length && section.every((octet, at) => octet === own[at]);
  }

  /** In their order. */
  get shown(): ShownField[] {
    return this.#slots.filter((slot) => slot !== this.#hidden);
  }

  /** Notes what a milter wants changed. False: there is no such field, or it is none to be changed. */
  change(modification: HeaderModification): boolean {
    const { name, value } = modification;
    switch (modification.change) {
      case "add-header":
        this.#insert(this.#slots.length, name, value);
        return true;
      case "insert-header":
        this.#insert(this.#position(modification.index), name, value);
        return true;
      case "change-header": {
        const slot = this.#byName.get(name.toLowerCase())?.[Math.max(modification.index, 1) - 1]; // 0 is 1 everywhere
        if (slot?.fixed) return false;
        if (slot !== undefined) slot.text = value === "" ? null : value;
        else if (value === "") return false;
        else this.#insert(this.#slots.length, name, value); // as Sendmail does
        this.#changed = true;
        return true;
      }
    }
  }

  /** All of it, by places in the section as it was. */
  get changes(): readonly FieldChange[] {
    if (!this.#changed) return [];
    const changes: FieldChange[] = [];
    let before = 0;
    for (const { place, name, text, fixed } of this.#slots) {
      if (fixed) continue;
      if (place !== null) {
        before = place + 1;
        if (text !== undefined) changes.push({ at: place, value: text });
      } else if (text !== null && text !== undefined) changes.push({ before, name, value: text });
    }
    return changes;
  }

  /** 0: in front of all. Our own Received counts here, as the first in other servers, though a milter does not see it. */
  #position(index: number): number {
    return Math.min(this.#hidden === null ? Math.max(index - 1, 0) : index, this.#slots.length);
  }

  #insert(at: number, name: string, value: string): void {
    const key = name.toLowerCase(), slot: Slot = { name, key, value: EMPTY, place: null, fixed: false, text: value };
    const named = this.#byName.get(key);
    this.#changed = true;
    if (named === undefined || at === this.#slots.length) this.#index(slot);
    else { // among its namesakes where it stands among all
      let before = 0;
      for (let place = 0; place < at; place++) {
        const each = this.#slots[place]!;
        if (each.key === key && each !== this.#hidden) before++;
      }
      named.splice(before, 0, slot);
    }
    this.#slots.splice(at, 0, slot);
  }

  #index(slot: Slot): void {
    const named = this.#byName.get(slot.key);
    if (named === undefined) this.#byName.set(slot.key, [slot]);
    else named.push(slot);
  }
}

const EMPTY = new Uint8Array(0);

function slots(section: Uint8Array, fixed: boolean): Slot[] {
  return new HeaderSection(section).fields.map(({ name, value, end }, place) => ({
    name,
    key: name.toLowerCase(),
    value: section.subarray(value, end),
    place: fixed ? null : place,
    fixed,
    text: undefined,
  }));
}

function isOwn({ name, value }: Slot, own: string): boolean {
  return name === "Received" && new TextDecoder().decode(value.subarray(0, 2000)).includes(own);
}

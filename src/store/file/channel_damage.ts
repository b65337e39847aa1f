/**
 * What of a channel cannot be used where other nodes hold the same: which slices are sound from the beginning on, and how
 * the others are put aside when that has been decided.
 */
import type { Damage, StoreFailed } from "../../ports/store.ts";
import type { Sequence } from "../../protocol/units.ts";
import type { FileContext } from "./context.ts";
import type { Gap } from "./gap_note.ts";
import type { FileMessageLog } from "./message_log.ts";
import type { Slice } from "./slice.ts";
import { setFilesAside, sliceFiles } from "./slice_files.ts";

/** A slice that could not be recovered; `number` Infinity: a file that is none. */
export interface BadSlice {
  readonly number: number;
  readonly refusal: StoreFailed;
}

/**
 * Compares the slices that were recovered, ascending, with those that were not, with each other, and with `noted`, where
 * messages begin. Answers what is damaged or missing, and has `messages` take over what is left; `undefined` when all is well.
 */
export function channelDamage(
  messages: FileMessageLog,
  found: readonly Slice[],
  bad: readonly BadSlice[],
  context: FileContext,
): Damage | undefined {
  const worst = bad.toSorted((a, b) => a.number - b.number)[0];
  const readable = found.filter(({ number }) => worst === undefined || number < worst.number);
  const lost = lostBeginning(readable, messages.firstNote.read());
  const sound = lost === undefined ? readable.slice(0, soundCount(readable, messages.gapNote.read())) : [];
  messages.adopt(worst === undefined ? found : readable, context.ports.clock.wall());
  if (worst === undefined && sound.length === found.length) return undefined;
  const after = sound.at(-1)?.last ?? 0;
  const what = lost ??
    (sound.length < readable.length
      ? `messages ${after + 1} to ${readable[sound.length]!.first - 1} are missing in ${messages.directory}`
      : damageText(worst!.refusal));
  return {
    text: `channel ${JSON.stringify(messages.channel)}: ${what}`,
    refusal: worst?.refusal,
    setAside() {
      // Some may have been removed since, because all in them was evicted.
      const kept = sound.filter(({ created }) => created);
      const names = sliceFiles(messages.directory, new Set(kept.map(({ number }) => number)), context);
      const aside = setFilesAside(messages.directory, names, context);
      messages.adopt(kept, context.ports.clock.wall());
      const left = messages.count === 0 ? "nothing" : `messages ${messages.first} to ${messages.last}`;
      return `${left} of channel ${JSON.stringify(messages.channel)} could be kept, the rest was set aside in ${aside}`;
    },
  };
}

/** Slices before the first one with a gap in it, or before it: where nodes agree there are none but those `known` to be lost for all. */
function soundCount(slices: readonly Slice[], known: Gap | undefined): number {
  const isGap = (from: Sequence, to: Sequence) =>
    from <= to && (known === undefined || from < known.from || to > known.to);
  const gap = slices.findIndex((slice, i) =>
    !slice.contiguous || (i > 0 && isGap(slices[i - 1]!.last + 1, slice.first - 1))
  );
  return gap < 0 ? slices.length : gap;
}

/** What is gone that was not evicted. */
function lostBeginning(found: readonly Slice[], noted: Sequence | undefined): string | undefined {
  const first = found[0];
  if (first === undefined || noted === undefined || first.first <= noted) return undefined;
  return `messages ${noted} to ${first.first - 1} are missing before file "${first.data.path}"`;
}

/** A refusal with file and offset, which its causes name. */
export function damageText(refusal: StoreFailed): string {
  let cause: unknown = refusal.cause;
  while (cause instanceof Error) cause = cause.cause;
  return typeof cause === "string" ? `${refusal.message} (${cause})` : refusal.message;
}

// What becomes of an exception that nothing expected.

type Calls = Record<string, (...values: never[]) => unknown>;

/**
 * Ends a call with the exception's text and the places that it came through; without this the module traps, and the trap says neither. What is thrown as the
 * contract has it goes on as it is. (What a module says when it gives up is kept sealed, as message text is.)
 */
export function told<T extends Calls>(calls: T): T {
  const within = ([name, call]: [string, (...values: never[]) => unknown]) => [
    name,
    (...values: never[]) => {
      try {
        return call(...values);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const text = `${error.name}: ${error.message}, at ${(error.stack ?? '').trim().replaceAll('\n', ', at ')}`;
        throw name === 'configure' ? [{ pointer: '', message: text }] : text;
      }
    },
  ];
  return Object.fromEntries(Object.entries(calls).map(within));
}

// The decision. Nothing here knows of the host, so node tests it as it is.

/** What a policy can say; the schema in module.ts says it to the host. */
export interface Config {
  /** Whether each bot has an e-mail of its own (each), or all of a chat share one (together). */
  bots?: 'each' | 'together';
}

/** An e-mail. The same events have to give the same key in every run. */
export interface Email {
  key: string;
  title: string;
}

/** The e-mail that what this sender wrote goes into; undefined where it goes into none. */
export function emailOf(sender: { id: string; displayName: string; flags: { bot?: boolean } } | undefined, config: Config): Email | undefined {
  if (sender === undefined) return undefined;
  if (sender.flags.bot && config.bots === 'together') return { key: 'bots', title: 'Bots' };
  return { key: sender.id, title: sender.displayName };
}

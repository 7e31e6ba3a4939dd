// The decision. Nothing here knows of the host, so node tests it as it is.

/** What a policy can say; the schema in module.ts says it to the host. */
export interface Config {
  /** Bots that are kept all the same, by the platform's ids. */
  but?: string[];
}

/** What is wrong with a configuration beyond what the schema can say. `pointer` is a JSON Pointer into it. */
export function problems(config: Config): { pointer: string; message: string }[] {
  const empty = (config.but ?? []).indexOf('');
  return empty < 0 ? [] : [{ pointer: `/but/${empty}`, message: "an id can't be empty" }];
}

/** Whether what this sender wrote is kept. */
export function keeps(sender: { id: string; flags: { bot?: boolean } } | undefined, config: Config): boolean {
  return sender === undefined || !sender.flags.bot || (config.but ?? []).includes(sender.id);
}

// What an app can call on Bailiwick. Types alone: nothing of this runs.
//
//   /** @type {import("./bailiwick.d.ts").Handler<{ votes: Vote }, "SLACK_TOKEN">} */
//   const app = { async fetch(request, env, ctx) { … } };
//   export default app;

/** What `main` exports as default. `Data`: a record type for each `[data.NAME]`. `Secret`: the names under `[secrets]`. */
export interface Handler<Data extends Collections = {}, Secret extends string = never> {
  /** Answers one request. Each runs in a fresh copy of the program. */
  fetch(request: Request, env: RequestEnv<Data, Secret>, ctx: Context): Response | Promise<Response>;
  /** Runs a job of `[jobs.NAME]`, as the app, for no user. The same run may come more than once: see `event.runId`. */
  scheduled?(event: ScheduledEvent, env: JobEnv<Data, Secret>, ctx: Context): void | Promise<void>;
}

/** `env` in `fetch`. On paths under `[access] public`, `user` may be undefined: use `PublicEnv` there. */
export type RequestEnv<Data extends Collections = {}, Secret extends string = never> = Env<Data, Secret> & {
  /** Who is asking, from single sign-on. */
  readonly user: User;
};

/** `env` where strangers may ask. */
export type PublicEnv<Data extends Collections = {}, Secret extends string = never> = Env<Data, Secret> & {
  readonly user?: User;
};

/** `env` in `scheduled`: nobody is asking. */
export type JobEnv<Data extends Collections = {}, Secret extends string = never> = Env<Data, Secret> & {
  readonly user?: undefined;
};

/** What both have. */
export type Env<Data extends Collections = {}, Secret extends string = never> = {
  readonly app: App;
  /** The collections that the manifest declares. */
  readonly data: { readonly [Name in keyof Data]: Collection<Data[Name]> };
  /** The files of `[runtime] assets`; `"/style.css"` is enough. Status 404 when there is no such file. */
  readonly assets: { fetch(request: Request | string | URL, init?: RequestInit): Promise<Response> };
} & {
  /**
   * A placeholder, different in each instance. The value takes its place outside the sandbox, towards the one host and
   * in the one position that it is bound to; anywhere else the call is refused.
   */
  readonly [Name in Secret]: string;
};

export interface User {
  /** Stays the same when name or address change. Opaque. */
  readonly id: string;
  readonly email: string;
  /** What stands before the `@` of the address when no name is known. */
  readonly name: string;
  /** Those of the person's groups that the manifest names. */
  readonly groups: readonly string[];
  /** Those roles of `[access] roles` that the person has. */
  readonly roles: readonly string[];
}

export interface App {
  readonly id: string;
  readonly name: string;
  readonly env: "staging" | "prod";
  readonly release: number;
}

export interface Context {
  /** Lets work finish after the reply, within the same limits. */
  waitUntil(promise: PromiseLike<unknown>): void;
}

export interface ScheduledEvent {
  /** The job's name in the manifest: `remind` for `[jobs.remind]`. */
  readonly name: string;
  /** When the run was due, RFC 3339. */
  readonly scheduledTime: string;
  /** The same for each attempt at the same run. */
  readonly runId: string;
}

/** JSON. Dates are RFC 3339 text. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
export type Collections = { [name: string]: { [field: string]: any } };

/** A record as it is kept. */
export type Kept<Fields> = Fields & {
  /** Opaque. */
  readonly id: string;
  /** Changes with each update; `update` wants it back. */
  readonly version: number;
};

/** Records of one `[data.NAME]`; those of this app and this environment alone. Each refusal throws a `Refusal`. */
export interface Collection<Fields> {
  /**
   * Keeps a new record, until `retain` has passed. Fields that the manifest does not declare are refused
   * (`data.unknown_field`). At most 256 KiB, one text 64 KiB, 16 levels deep; a `Date` is kept as RFC 3339 text.
   */
  insert(record: Fields): Promise<Kept<Fields>>;
  get(id: string): Promise<Kept<Fields> | null>;
  /** One page; go on with `after: page.next` until it is `null`. */
  list(query?: Query<Fields>): Promise<Page<Fields>>;
  /**
   * Changes the fields named; `null` empties one. Refused when the record's version is another by now
   * (`data.conflict`: read again, decide again), or when it is gone (`data.not_found`).
   */
  update(id: string, changes: Partial<Fields>, options: { version: number }): Promise<Kept<Fields>>;
  /** Refused when there is no such record (`data.not_found`). */
  delete(id: string): Promise<void>;
  count(query?: { where?: Where<Fields> }): Promise<number>;
  /**
   * All records, at most 16 MiB: for someone of a group that `export` in `[data.NAME]` names, who showed a second factor in
   * the last ten minutes (put the path under `mfa` in `[access]`). Each export is recorded with its number of records.
   */
  export(): Promise<Kept<Fields>[]>;
}

/**
 * What each field named has to be; four fields at most, and all must hold. A value finds equal ones, `null` those without
 * the field too. A range is for fields of class public or internal: those of class personal and above are encrypted, and
 * answer equality alone.
 */
export type Where<Fields> = { [Field in keyof Fields]?: Fields[Field] | null | Range<NonNullable<Fields[Field]>> };

/** Numbers, dates or texts between bounds. */
export interface Range<Value> {
  gt?: Value;
  gte?: Value;
  lt?: Value;
  lte?: Value;
}

export interface Query<Fields> {
  where?: Where<Fields>;
  /**
   * A field of class public or internal, `"-field"` for falling, or `{ field: "desc" }`. Without it, and with
   * `"created_at"`, oldest first.
   */
  order?: Order<keyof Fields & string> | { [Field in keyof Fields]?: "asc" | "desc" } | { created_at: "asc" | "desc" };
  /** 100 unless said; at most `[limits] rows`, which is 500 unless said. A page also ends after 4 MiB. */
  limit?: number;
  /** `next` of the page before; `null` or nothing to begin. Records that come or go meanwhile shift nothing. */
  after?: string | null;
}
export type Order<Field extends string> = Field | `-${Field}` | "created_at" | "-created_at";

export interface Page<Fields> {
  items: Kept<Fields>[];
  /** `null` at the end. */
  next: string | null;
}

/** What a refused call throws: an `Error`, or from `fetch` a `TypeError`. `message` says what happened, then the fix. */
export interface Refusal extends Error {
  /** Stable, such as `secret.not_granted`. */
  readonly code: string;
}

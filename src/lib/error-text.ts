/** What is said of something that was thrown, which need not be an error. */

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Its code, where it has one: that is short, and stable; its text otherwise. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : errorText(error);
}

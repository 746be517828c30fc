/** Why a port could not be listened on, and what to do. */

import { errorText } from './error-text.ts';

export function listenReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') return 'another program listens there; stop it, or choose another port';
  if (code === 'EACCES')
    return 'ports below 1024 need CAP_NET_BIND_SERVICE (packaging/postrider.service gives it); or choose a higher one';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address';
  return errorText(error);
}

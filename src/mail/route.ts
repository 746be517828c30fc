/** Routes: which way a recipient goes. Types here; `routeFor` chooses. */

/** `dane`: with a certificate that the DNS names, by DNSSEC (RFC 7672), and not otherwise. */
export type TlsLevel = 'none' | 'opportunistic' | 'encrypt' | 'verify' | 'dane';

export type Route =
  MxRoute | SmarthostRoute | LmtpRoute | MaildirRoute | PipeRoute | DiscardRoute | FailRoute | RelayRoute;

interface RouteBase {
  /** Unique among the routes of a configuration. */
  readonly name: string;
  readonly match: RouteMatch;
}

/** All the lists given must match; a list matches when one of its patterns does. No list matches everything. */
export interface RouteMatch {
  /** `example.com`, `.example.com` (every subdomain), `*`, `user@example.com`. */
  readonly recipients?: readonly string[];
  /** The same patterns; `<>` is the null reverse-path. */
  readonly senders?: readonly string[];
  readonly tenants?: readonly string[];
  /** What senders name (`X-Postrider-Pool`). Mail that names a pool may also go by routes that name none. */
  readonly pools?: readonly string[];
  /** Client networks, `192.0.2.0/24`. */
  readonly clients?: readonly string[];
}

/** How TLS is spoken with the next hop, besides how much of it is demanded. */
export interface RouteTls {
  /** SHA-256 in lower-case hex, of the server's certificate or of its public key: one must match, whoever signed it. */
  readonly fingerprints?: readonly string[];
  /** PEM files of the certificate that we show. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: string } | undefined;
  /** `modern`: TLS 1.3 alone; `intermediate`: TLS 1.2 too, with the ciphers that are good enough. */
  readonly profile?: 'modern' | 'intermediate' | undefined;
}

/** To the hosts that the MX records of the recipient's domain name. */
export interface MxRoute extends RouteBase {
  readonly kind: 'mx';
  readonly port: number;
  readonly tls: TlsLevel;
  readonly tlsOptions?: RouteTls | undefined;
}

export interface SmarthostRoute extends RouteBase {
  readonly kind: 'smarthost';
  /** Host name, looked up by address and not by MX, or an IP address. */
  readonly host: string;
  readonly port: number;
  readonly tls: TlsLevel;
  readonly tlsOptions?: RouteTls | undefined;
  /** TLS from the first octet (port 465). */
  readonly implicitTls: boolean;
  readonly auth: { readonly user: string; readonly password: string } | undefined;
}

export interface LmtpRoute extends RouteBase {
  readonly kind: 'lmtp';
  /** `host:port` or the path of a socket. */
  readonly to: { readonly host: string; readonly port: number } | { readonly socket: string };
}

export interface MaildirRoute extends RouteBase {
  readonly kind: 'maildir';
  /** Absolute, with `{user}` and `{domain}` for the parts of the recipient. */
  readonly path: string;
}

export interface PipeRoute extends RouteBase {
  readonly kind: 'pipe';
  /** Never given to a shell. `{recipient}`, `{sender}`, `{user}`, `{domain}`, `{queueId}` are replaced inside an element. */
  readonly argv: readonly [string, ...string[]];
  readonly timeout: number;
}

export interface DiscardRoute extends RouteBase {
  readonly kind: 'discard';
}

export interface FailRoute extends RouteBase {
  readonly kind: 'fail';
  /** 4xx defers, 5xx fails. */
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

/** Stateless relay: the next hop's final reply is ours, and nothing is stored. */
export interface RelayRoute extends RouteBase {
  readonly kind: 'relay';
  readonly host: string;
  readonly port: number;
  readonly tls: TlsLevel;
  readonly tlsOptions?: RouteTls | undefined;
}

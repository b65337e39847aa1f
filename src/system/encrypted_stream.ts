/**
 * The stream of encrypted bytes that `node:tls` stands on, and a brake for it: TLS itself takes in whatever its stream
 * has, also while nobody reads what it has decrypted.
 */
import { Duplex } from "node:stream";
import type { Connection } from "../ports/network.ts";
import { SocketConnection } from "./upgradable_listener.ts";

/** One read of encrypted bytes; a TLS record has at most 16 KiB. */
const readSize = 32 * 1024;

export interface EncryptedStream {
  readonly stream: Duplex;
  /** Takes nothing more from the peer; what is on its way still comes. */
  hold(): void;
  release(): void;
}

/** `onEnd` hears when the peer sends no more. */
export function encryptedStream(connection: Connection, onEnd: () => void): EncryptedStream {
  if (connection instanceof SocketConnection && connection.untouched) return onSocket(connection, onEnd);
  return onConnection(connection, onEnd);
}

/** What of a socket's handle stops and starts it below all streams. The name has an underscore but is as old as Node. */
interface Handle {
  readStop(): void;
  readStart(): void;
}

function onSocket({ socket }: SocketConnection, onEnd: () => void): EncryptedStream {
  socket.once("close", onEnd);
  // TLS puts its own handle in this place later.
  const handle = (socket as unknown as { _handle: Handle | null })._handle;
  const alive = () => !socket.destroyed;
  return {
    stream: socket,
    hold: () => alive() && handle?.readStop(),
    release: () => alive() && handle?.readStart(),
  };
}

function onConnection(connection: Connection, onEnd: () => void): EncryptedStream {
  let held = false;
  let wanted = false;
  const stream = new Duplex({
    readableHighWaterMark: 4 * readSize,
    writableHighWaterMark: 4 * readSize,
    read() {
      wanted = true;
      if (!held) readOnce();
    },
    write(chunk: Uint8Array, _encoding, done) {
      connection.write(chunk).then(() => done(), done);
    },
    destroy(error, done) {
      void connection.close();
      done(error);
    },
  });
  const readOnce = () => {
    wanted = false;
    // The stream keeps what it is given, so each read needs bytes of its own.
    const bytes = new Uint8Array(readSize);
    connection.read(bytes).then(
      (count) => {
        stream.push(count === 0 ? null : bytes.subarray(0, count));
        if (count === 0) onEnd();
      },
      (error) => stream.destroy(error),
    );
  };
  return {
    stream,
    hold: () => void (held = true),
    release: () => {
      held = false;
      if (wanted) readOnce();
    },
  };
}

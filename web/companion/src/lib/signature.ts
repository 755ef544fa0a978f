/** Checks a receipt's signature with the browser's own Ed25519, where it has one. */
import type { Receipt } from "@everbond/api";

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** True and false are about the signature; null means that this browser cannot say. */
export async function genuine(signature: Receipt["signature"]): Promise<boolean | null> {
  if (signature.alg !== "Ed25519" || !globalThis.crypto?.subtle) return null;
  let key: CryptoKey;
  try {
    const raw = bytes(signature.key);
    key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  try {
    const signed = new TextEncoder().encode(signature.signed);
    return await crypto.subtle.verify("Ed25519", key, bytes(signature.value), signed);
  } catch {
    return false;
  }
}

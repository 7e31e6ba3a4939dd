#!/bin/sh
# Makes the files beside it with openssl and nothing of ours: a change notification of Microsoft Graph's as its documents describe it, and its token. The key is for
# these tests alone. What is made differs each time, since encryption is random; the tests need no more than that it belongs together.
set -eu
cd "$(dirname "$0")"
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem
openssl pkey -in key.pem -pubout -out public.tmp
printf '%s' '{"id":"1767600001000","chatId":"19:abc@thread.v2","messageType":"message","createdDateTime":"2026-01-05T08:00:01Z","from":{"user":{"id":"u1","displayName":"Ann Lee"}},"body":{"contentType":"text","content":"hi 日本"}}' > message.json
key=$(openssl rand -hex 32)
printf '%s' "$key" | xxd -r -p > datakey.tmp
openssl enc -aes-256-cbc -K "$key" -iv "$(printf '%s' "$key" | cut -c1-32)" -in message.json -out data.tmp
openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary data.tmp > signature.tmp
openssl pkeyutl -encrypt -pubin -inkey public.tmp -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -in datakey.tmp -out encryptedkey.tmp

# Until 2096, and of a time before.
header=$(printf '%s' '{"typ":"JWT","alg":"RS256","kid":"k1"}' | base64url)
token() {
    claims=$(printf '{"aud":"app-1","iss":"https://sts.windows.net/tenant-1/","nbf":%s,"exp":%s,"appid":"0bf30f3b-4a52-48df-9a82-234910c4a086","tid":"tenant-1"}' "$1" "$2" | base64url)
    printf '%s.%s.%s' "$header" "$claims" "$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign key.pem -binary | base64url)"
}
token 1767600000 4000000000 > token.jwt
modulus=$(openssl rsa -in key.pem -noout -modulus | cut -d= -f2 | xxd -r -p | base64url)
printf '{"keys":[{"kty":"RSA","use":"sig","kid":"k0","n":"AQAB","e":"AQAB"},{"kty":"EC","kid":"e1"},{"kty":"RSA","use":"sig","kid":"k1","n":"%s","e":"AQAB"}]}\n' "$modulus" > keys.json

printf '{"value":[{"subscriptionId":"s1","changeType":"created","clientState":"st4te","tenantId":"tenant-1","resource":"chats('"'19:abc@thread.v2'"')/messages('"'1767600001000'"')","resourceData":{"id":"1767600001000","@odata.type":"#Microsoft.Graph.chatMessage"},"encryptedContent":{"data":"%s","dataSignature":"%s","dataKey":"%s","encryptionCertificateId":"cert-1","encryptionCertificateThumbprint":"AB"}}],"validationTokens":["%s"]}\n' \
    "$(openssl base64 -A -in data.tmp)" "$(openssl base64 -A -in signature.tmp)" "$(openssl base64 -A -in encryptedkey.tmp)" "$(cat token.jwt)" > notification.json
rm -f ./*.tmp

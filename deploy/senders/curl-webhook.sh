#!/usr/bin/env bash
# Sends one event the way Fivetran's webhooks do, signed with HMAC-SHA-256 over the raw body.
#
#   LIFELINE_URL=http://127.0.0.1:8088 LIFELINE_WEBHOOK_SECRET=… ./curl-webhook.sh
#
# Without LIFELINE_WEBHOOK_SECRET it goes unsigned, with LIFELINE_INGEST_TOKEN as the credential.
set -euo pipefail

: "${LIFELINE_URL:?set it to the address of Lifeline, e.g. http://127.0.0.1:8088}"
url=${LIFELINE_URL%/}
secret=${LIFELINE_WEBHOOK_SECRET:-}
token=${LIFELINE_INGEST_TOKEN:-}
token=${token#*=} # accepts NAME=TOKEN as in the configuration

if [[ -z $secret && -z $token ]]; then
    echo "set LIFELINE_WEBHOOK_SECRET (signed) or LIFELINE_INGEST_TOKEN (unsigned)" >&2
    exit 2
fi

created=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
sync_id=00000000-0000-4000-8000-$(date -u +%y%m%d%H%M%S)
body='{"event":"sync_end","created":"'$created'","connector_type":"google_sheets","connector_id":"example_sender","connector_name":"example_sheets.budget","sync_id":"'$sync_id'","destination_group_id":"example_group","data":{"status":"SUCCESSFUL"}}'

if [[ -n $secret ]]; then
    # openssl takes the key as an argument, where other users of this machine may see it for a moment.
    # Use a machine of your own, or a secret made for tests.
    signature=$(printf '%s' "$body" | openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
    credential="X-Fivetran-Signature-256: $signature"
else
    credential="Authorization: Bearer $token"
fi

# --data-binary, because plain --data would strip line breaks and thereby break the signature.
answer=$(
    printf '%s' "$body" | curl --silent --show-error --fail-with-body --max-time 10 \
        --header @<(printf '%s\n' "$credential") \
        --header 'Content-Type: application/json' \
        --write-out ' (status %{http_code})' \
        --data-binary @- "$url/v1/webhooks/fivetran"
)
echo "delivery:$answer"

"""segment-analytics-python: python segment_python.py <url> <write key> [run id] [--gzip]

Sends the calls of calls.mjs, which `node calls-json.mjs <run id>` prints.
"""

import json
import pathlib
import subprocess
import sys
import time

from segment.analytics.client import Client


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--gzip"]
    url, key = arguments[:2]
    run = arguments[2] if len(arguments) > 2 else format(int(time.time()), "x")
    script = pathlib.Path(__file__).with_name("calls-json.mjs")
    sent = json.loads(subprocess.check_output(["node", script, run]))

    errors = []
    client = Client(
        key,
        host=url.rstrip("/"),
        gzip="--gzip" in sys.argv,
        on_error=lambda error, items: errors.append(str(error)),
    )
    for message in sent:
        user, anonymous = message.get("userId"), message.get("anonymousId")
        call = message["call"]
        if call == "identify":
            client.identify(user, message["traits"])
        elif call == "track":
            client.track(user, message["event"], message["properties"])
        elif call == "page":
            client.page(None, None, message["name"], message["properties"], anonymous_id=anonymous)
        elif call == "screen":
            client.screen(None, None, message["name"], message["properties"], anonymous_id=anonymous)
        elif call == "group":
            client.group(user, message["groupId"], message["traits"])
        elif call == "alias":
            client.alias(message["previousId"], user)
    client.flush()
    client.join()
    if errors:
        sys.exit("\n".join(errors))
    print(json.dumps({"sdk": "segment-analytics-python", "run": run, "sent": sent}))


main()

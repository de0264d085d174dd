# Debian's QtWebKit, a WebKit of 2016 (rfc6455 with x-webkit-deflate-frame):
# usage qtwebkit.py URL VERSION [DEFLATE]
# First the server's own page at GET /, then the case list in the context of that page.
# DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
import json
import os
import sys

from PyQt5.QtCore import QUrl
from PyQt5.QtWebKitWidgets import QWebPage
from PyQt5.QtWidgets import QApplication

url, version = sys.argv[1].rstrip("/"), sys.argv[2]
deflate = sys.argv[3] if len(sys.argv) > 3 else ""

SCRIPT = """
(function (url, version, deflate) {
  function say(line) { console.log('>> ' + line); }
  Cases.pageCheck(version, function (missing) {
    say(missing ? 'not ok page # ' + missing : 'ok page');
    function open(path, protocol) {
      return protocol ? new WebSocket(url + path, protocol) : new WebSocket(url + path);
    }
    Cases.run(version, open, say, function () { say('done'); }, deflate);
  });
})(%s, %s, %s); 0
"""


class Page(QWebPage):
    # The page's own talk is not for us: what the script says starts with a mark.
    def javaScriptConsoleMessage(self, message, line, source):
        if not message.startswith(">> "):
            return
        message = message[3:]
        if message == "done":
            app.quit()
        elif message.startswith("1.."):
            print("1..%d" % (1 + int(message[3:])), flush=True)
        else:
            print(message, flush=True)


def loaded(ok):
    if not ok:
        print("not ok page # GET / failed", flush=True)
        app.exit(1)
        return
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.js")) as f:
        page.mainFrame().evaluateJavaScript(f.read() + "; 0")
    page.mainFrame().evaluateJavaScript(SCRIPT % tuple(map(json.dumps, (url, version, deflate))))


app = QApplication(sys.argv)
page = Page()
page.loadFinished.connect(loaded)
page.mainFrame().load(QUrl(url.replace("ws", "http", 1) + "/"))
sys.exit(app.exec_())

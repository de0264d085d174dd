# The page of test/browser-cases in Debian's QtWebKit: usage browser-cases.py URL
# Prints what the console says, with a mark.
import sys

from PyQt5.QtCore import QUrl
from PyQt5.QtWebKitWidgets import QWebPage
from PyQt5.QtWidgets import QApplication


class Page(QWebPage):
    def javaScriptConsoleMessage(self, message, line, source):
        mark = "" if message.startswith(">> case ") else ">> said "
        print(mark + " ".join(message.split()), flush=True)


app = QApplication(sys.argv)
page = Page()
page.mainFrame().load(QUrl(sys.argv[1]))
sys.exit(app.exec_())

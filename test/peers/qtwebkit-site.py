# Debian's QtWebKit as a device whose TLS ends at 1.0: opens a site and takes its picture.
# usage qtwebkit-site.py URL PICTURE CA, CA a root certificate that the device has, or - for none
# The page tells in window.results what works. $OPENSSL_CONF has to allow TLS 1.0.
import sys

from PyQt5.QtCore import QSize, QTimer, QUrl
from PyQt5.QtGui import QImage, QPainter
from PyQt5.QtNetwork import QSsl, QSslCertificate, QSslConfiguration
from PyQt5.QtWebKitWidgets import QWebPage
from PyQt5.QtWidgets import QApplication

url, picture, ca = sys.argv[1:4]
app = QApplication(sys.argv)

# For pages and for WebSockets alike.
tls = QSslConfiguration.defaultConfiguration()
tls.setProtocol(QSsl.TlsV1_0)
tls.setCaCertificates(QSslCertificate.fromPath(ca) if ca != "-" else [])
QSslConfiguration.setDefaultConfiguration(tls)

page = QWebPage()
page.setViewportSize(QSize(560, 330))
looks = 0


def look():
    global looks
    looks += 1
    plan = int(page.mainFrame().evaluateJavaScript("window.plan"))
    results = page.mainFrame().evaluateJavaScript("window.results")
    if len(results) < plan and looks < 300:
        return
    print("1..%d" % plan)
    print("\n".join(results), flush=True)
    image = QImage(page.viewportSize(), QImage.Format_RGB32)
    painter = QPainter(image)
    page.mainFrame().render(painter)
    painter.end()
    image.save(picture)
    app.quit()


def loaded(ok):
    if ok:
        timer.start(200)
        return
    print("1..1\nnot ok page # GET failed", flush=True)
    app.exit(1)


timer = QTimer()
timer.timeout.connect(look)
page.loadFinished.connect(loaded)
page.mainFrame().load(QUrl(url))
sys.exit(app.exec_())

# This is only for the table of what passes where.
vcl 4.1;
backend default {
	.host = "127.0.0.1";
	.port = "BACK";
}
sub vcl_recv {
	if (req.http.Upgrade ~ "(?i)websocket") {
		return (pipe);
	}
}
sub vcl_pipe {
	set bereq.http.Upgrade = req.http.Upgrade;
	set bereq.http.Connection = req.http.Connection;
}

package drafts

var closingRules = []Rule{
	{
		Name: "closing-handshake", Part: "closing", Title: "how a connection is closed",
		Words: "close closing handshake FF 00 answer",
		Steps: []Step{
			step("hixie-00", Text, "TCP ends; there is no handshake", "hixie-75 6"),
			step("hixie-76", Text, "FF 00, which the other side answers with FF 00; what comes behind it is discarded", "hixie-76 4.2", "hixie-76 5.3"),
			step("hybi-01", Program, "a close frame, which is answered by one", "PW 7a5ec43"),
			news("hybi-06", Program, "the chapter was clarified and written anew", "a close frame, which is answered by one", "PERL"),
			restated("RFC 6455", Text, "a close frame, which is answered by one; no data follows it", "RFC 6455 5.5.1", "RFC 6455 7.1.2"),
			step("RFC 8441", Text, "as in RFC 6455; END_STREAM is the end of TCP, and RST_STREAM with CANCEL its reset", "RFC 8441 5"),
			step("RFC 9220", Text, "as in RFC 6455; FIN of the stream is the end of TCP, and a reset with H3_REQUEST_CANCELLED its reset", "RFC 9220 3"),
		},
	},
	{
		Name: "close-body", Part: "closing", Title: "what a close frame holds",
		Words: "close body reason letter code status",
		Codes: []string{"close_length", "close_utf8"},
		Steps: []Step{
			step("hixie-76", Text, "nothing", "hixie-76 5.3"),
			step("hybi-01", Program, "nothing that means anything", "EM close03.rb"),
			step("hybi-03", Program, "anything; the answer has to match it, so that channels of one connection could be told apart", "PWN"),
			step("hybi-04", Unverified, "nothing", "PW 653e4dc"),
			step("hybi-05", Program, "one letter: S from a server, C from a client. That the draft specifies the body is noted; the letters are from programs", "PWN", "EM close05.rb", "LWS 5e1fa17"),
			step("hybi-06", Program, "nothing, or a code of two bytes and a reason in UTF-8", "EM close06.rb", "PW 41a4dd0"),
			restated("RFC 6455", Text, "nothing, or a code of two bytes and a reason in UTF-8", "RFC 6455 5.5.1"),
		},
	},
	{
		Name: "close-codes", Part: "closing", Title: "the codes of a close",
		Words: "status code 1000 1001 1002 1003 1004 1005 1006 1007 1008 1009 1010 1011 1015 3000 4000 too big",
		Codes: []string{"close_code", "too_big"},
		Steps: []Step{
			step("hybi-06", Program, "1000 normal, 1001 going away, 1002 protocol error, 1003 data that is not accepted, 1004 too big", "PW 41a4dd0", "EM close06.rb"),
			news("hybi-08", Program, "1005 for no code and 1006 for an abnormal end, which are never sent; codes have no sign", "1000 to 1006: 1004 is too big; 1005, no code, and 1006, an abnormal end, are never sent; codes have no sign", "PWN"),
			news("hybi-10", Program, "1007 for text that is not UTF-8", "1000 to 1007: 1004 is too big, 1005 and 1006 are never sent, 1007 is text that is not UTF-8", "PWN"),
			news("hybi-13", Program, "1004 is reserved; 1008 for a policy, 1009 for too big, 1010 for a missing extension", "1000 to 1010: 1004 is reserved, 1005 and 1006 are never sent, 1007 is text that is not UTF-8, 1008 a policy, 1009 too big, 1010 a missing extension", "PWN"),
			news("hybi-14", Program, "1007 is any data that contradicts its type", "1000 to 1010: 1004 is reserved, 1005 and 1006 are never sent, 1007 is data that contradicts its type, 1008 a policy, 1009 too big, 1010 a missing extension", "PWN"),
			news("RFC 6455", Text, "1011 for an error of the server, and 1015 for one of TLS, which is never sent", "1000 to 1003, 1007 to 1010, and 1011, an error of the server; 1004, 1005, 1006 and 1015 are never sent; 3000 to 3999 are registered, 4000 to 4999 private", "RFC 6455 7.4.1", "RFC 6455 7.4.2", "HOLGATE"),
		},
	},
	{
		Name: "close-order", Part: "closing", Title: "who ends TCP first",
		Words: "TCP close server first FIN reset linger TIME_WAIT",
		Steps: []Step{
			step("hixie-76", Text, "who began the closing handshake, once the answer has come; the steps let either side do it when FF 00 went both ways", "hixie-76 1.4", "hixie-76 5.3"),
			restated("hybi-01", Unverified, "not found before RFC 6455"),
			restated("RFC 6455", Text, "the server", "RFC 6455 7.1.1"),
		},
	},
	{
		Name: "reconnect", Part: "closing", Title: "how soon a client may come back",
		Words: "reconnect backoff delay abnormal",
		Steps: []Step{
			step("hybi-13", Program, "after an abnormal end it waits, at first up to about five seconds and then longer each time", "PWN"),
			restated("RFC 6455", Text, "after an abnormal end it waits, at first up to about five seconds and then longer each time", "RFC 6455 7.2.3"),
		},
	},
}

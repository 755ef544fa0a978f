//! Made by the example `symbols` from `sample.txt`; not to be edited.

/// What each code stands for.
#[rustfmt::skip] // One a line would be two hundred lines.
pub const SYMBOLS: [&[u8]; 244] = [
    b"e ", b"re", b"ch", b"y ", b"ge", b"be", b" i", b"r ", b"ou", b"ur", b"on", b"m ", b"es",
    b"to", b"ll", b"il", b"li", b"me", b"la", b"ht", b"co", b"fe", b"ut", b"wi", b"ri", b"pa",
    b" m", b"t.", b"nt", b"al", b" h", b"at", b" o", b".1", b"g ", b"kt", b"et", b"ce", b". ",
    b" l", b"fi", b"ag", b" T", b"l ", b" f", b"id", b"wa", b"st", b"ed", b"ee", b"of", b"am",
    b"nd", b"pr", b"n.", b"ha", b"ar", b"us", b"ei", b" n", b"pp", b"5.", b"ic", b"o ", b" (",
    b"pe", b" c", b"ne", b"we", b"en", b"is", b"s ", b"ho", b"ro", b"it", b"00", b"ra", b"ie",
    b"un", b"he", b"er", b" s", b" a", b"de", b"an", b"le", b"or", b"te", b"d ", b", ", b"in",
    b"n ", b"t ", b"sch", b"st ", b"ed ", b"was", b"ter", b"hat", b"er ", b"in ", b"en ", b"war",
    b"it ", b"is ", b"ie ", b"ver", b"der", b"ste", b"s a", b"\xc3\xbcr", b"ach", b"t a", b"de ",
    b"far", b"ion", b"ick", b"ine", b"sta", b"le.", b"as ", b"t w", b"art", b"ers", b" sp",
    b"off", b"use", b"ble", b"new", b"two", b" ne", b"ne ", b"ank", b"t c", b"am ", b"le ",
    b"the ", b"and ", b"ich ", b"ung ", b"The ", b"xamp", b"eine", b"das ", b"Der ", b"dem ",
    b"eder", b", li", b"pple", b"her ", b"die ", b"Die ", b"Seit", b"hone", b"roid", b" ein",
    b"t th", b" the ", b" die ", b"produ", b"order", b"kann ", b" and ", b"for t", b" nicht",
    b"n und ", b"d to t", b"nicht ", b", das ", b"ke Geck", b"machine", b"nn die ", b"und die ",
    b" ", b"e", b"t", b"i", b"o", b"a", b"s", b"r", b"d", b"n", b"u", b"l", b"h", b"m", b"w",
    b"p", b"c", b".", b"g", b"0", b"f", b"b", b"/", b"1", b"k", b"-", b"5", b",", b"y", b"2",
    b"T", b"4", b"v", b"\xc3", b"S", b"6", b"W", b"3", b"z", b"M", b"D", b"P", b"K", b"x", b";",
    b":", b"L", b"I", b"A", b"?", b"8", b"7", b")", b"_", b"C", b"B", b"H", b"G", b"E", b"\xa4",
    b"\xbc", b"F", b"=", b"\xb6", b"O", b"N", b"9", b"X", b"V", b"U", b"R",
];

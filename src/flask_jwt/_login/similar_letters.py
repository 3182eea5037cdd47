"""Letters that databases take for another one although Unicode doesn't decompose them.

The table was made from the answers of MariaDB (``general_ci``, ``unicode_ci``, ``unicode_520_ci``
and ``uca1400_ai_ci``) and of PostgreSQL with ICU at ``ks-level1``, with and without
``ka-shifted``: characters that one of them takes for the same, and that the other rules of
:mod:`.names` keep apart. A test asks these databases again about all characters.
"""

from __future__ import annotations

# Each word is a letter, or a plus sign and its code point, and after the colon the code points of
# the characters that are counted as it.
_TABLE = """
0:f33,11f50,1d2c0,1e4f0 1:9f4,f2a,11f51,1d2c1,1e4f1 2:9f5,f2b,11f52,1d2c2,1e4f2 3:9f6,f2c,11f53,
1d2c3,1e4f3 4:9f7,f2d,11f54,1d2c4,1e4f4 5:f2e,11f55,1d2c5,1e4f5 6:f2f,11f56,1d2c6,1e4f6 7:f30,
11f57,1d2c7,1e4f7 8:f31,11f58,1d2c8,1e4f8 9:f32,11f59,1d2c9,1e4f9 a:363,1dd3,1df2,a79b,a7c1,1f150,
1f170 as:214d au:a737 b:1de8,1f151,1f171 c:368,1dd7,1f152,1f172 d:f0,111,369,1dd8,1dd9,a77a,1f153,
1f173,1f1a5 db:238 dz:2a3 e:364,1f154,1f174 f:1deb,a77c,1f155,1f175 g:1acc,1d79,1dda,a7a1,1f156,
1f176 h:127,36a,1f157,1f177 i:131,365,1f158,1f178 j:1f159,1f179 k:1ddc,a7a3,1f15a,1f17a l:142,
1ddd,1f15b,1f17b m:36b,1f15c,1f17c n:1de0,a7a5,1f15d,1f17d o:f8,366,1ded,1df3,a79d,1f15e,1f17e
p:1dee,1f15f,1f17f,1f18a pa:1f18c q:1f160,1f180 r:36c,1acd,1dca,1de3,a75b,a783,a7a7,1f161,1f181
s:1de4,1de5,a785,a7a9,a7d9,1f162,1f182 t:36d,1ace,a787,1f163,1f183 u:367,1df0,1df4,a79f,1f164,
1f184 v:36e,1f165,1f185 w:1abf,1df1,a7c3,1f166,1f186 wc:1f18f x:36f,1f167,1f187 y:1f168,1f188
z:1de6,1f169,1f189 +e6:1dd4 +1be:2a6 +251:1de7 +259:1dea +25c:1d08 +262:1ddb +274:1de1 +280:1de2
+283:1def +28d:1ac0 +29f:1dde +2a9:1df00 +3b9:345 +430:2df6,1e030,1e051 +431:2de0,1e031,1e052
+432:2de1,1e032,1e053 +433:491,2de2,1e033,1e054,1e067 +434:2de3,1e034,1e055 +435:2df7,1e035,1e056
+436:2de4,1e036,1e057 +437:2de5,1e037,1e058 +438:a675,1e038,1e059 +43a:2de6,1e039,1e05a +43b:2de7,
1e03a,1e05b +43c:2de8,1e03b +43d:2de9 +43e:2dea,a669,a66b,a66d,a66e,a699,a69b,1e03c,1e05c
+43f:2deb,1e03d,1e05d +440:2dec,1e03e +441:2ded,1e03f,1e05e +442:2dee,1e040 +443:a677,1e041,1e05f
+444:a69e,1e042,1e060 +445:2def,1e043,1e061 +446:2df0,1e044,1e062 +447:2df1,1e045,1e063 +448:2df2,
1e046,1e064 +449:2df3 +44a:a678,1e065 +44b:a679,1e047,1e066 +44c:a67a +44d:1e048 +44e:2dfb,1e049
+454:a674 +455:1e069 +456:a676,1e04c,1e068,1e08f +458:1e04d +45f:1e06a +461:a67b +463:2dfa
+465:a69f +467:2dfd +46b:2dfe +46d:2dff +473:2df4 +4ab:1e06b +4af:1e04f +4b1:1e06d +4cf:1e050
+4d9:1e04b +4e9:1e04e +5da:5db +5dd:5de +5df:5e0 +5e3:5e4 +5e5:5e6 +621:674,6fd,883,887 +627:870,
871,872,873,874,875,876,877,878,879,87a,87b,87c,87d,87e,87f,880,881,882,8ad +645:6fe +648:6e5,884
+64a:6e6,885,886 +6cc:8c9 +712:72d +713:714,72e +715:72f +71b:71c +723:724 +726:727 +7d6:7e8
+7d7:7e9 +7d9:7ea +d4e:d7c +f62:f6a +10d0:2d00 +10d1:2d01 +10d2:2d02 +10d3:2d03 +10d4:2d04
+10d5:2d05 +10d6:2d06 +10d7:2d07 +10d8:2d08 +10d9:2d09 +10da:2d0a +10db:2d0b +10dc:2d0c +10dd:2d0d
+10de:2d0e +10df:2d0f +10e0:2d10 +10e1:2d11 +10e2:2d12 +10e3:2d13 +10e4:2d14 +10e5:2d15 +10e6:2d16
+10e7:2d17 +10e8:2d18 +10e9:2d19 +10ea:2d1a +10eb:2d1b +10ec:2d1c +10ed:2d1d +10ee:2d1e +10ef:2d1f
+10f0:2d20 +10f1:2d21 +10f2:2d22 +10f3:2d23 +10f4:2d24 +10f5:2d25 +16a0:16a1 +16a2:16a4,16a5
+16a6:16a7 +16a8:16a9,16ac,16ad,16ae +16b2:16b3,16b4,16b5,16b6 +16b9:16e9 +16ba:16bb,16bc,16bd
+16be:16bf,16c0 +16c1:16c2 +16c3:16c4 +16c5:16c6 +16c8:16d5 +16ca:16cb,16cc,16cd,16ce,16ea
+16cf:16d0,16d1 +16d2:16d3,16d4 +16d7:16d8,16d9 +16da:16db +16dc:16dd +16e6:16e7,16e8 +1a26:1a58,
1a59 +1a3b:1a5a,1a5b +1b83:1bba +1b8a:1bbe +1b99:1bbf +1bc0:1bc1 +1bc2:1bc3,1bc4 +1bc5:1bc6
+1bc7:1bc8 +1bc9:1bca +1bcb:1bcc,1bcd +1bce:1bcf +1bd2:1bd3 +1bd4:1bd5 +1bd6:1bd7 +1bd8:1bd9,1bda
+1bdb:1bdc +1bde:1bdf +1ce9:1cea,1ceb,1cec,1cee,1cef,1cf0,1cf1,1cfa +1d09:1d4e +1d0d:1ddf
+2c30:1e000 +2c31:1e001 +2c32:1e002 +2c33:1e003 +2c34:1e004 +2c35:1e005 +2c36:1e006 +2c38:1e008
+2c39:1e009 +2c3a:1e00a +2c3b:1e00b +2c3c:1e00c +2c3d:1e00d +2c3e:1e00e +2c3f:1e00f +2c40:1e010
+2c41:1e011 +2c42:1e012 +2c43:1e013 +2c44:1e014 +2c45:1e015 +2c46:1e016 +2c47:1e017 +2c48:1e018
+2c4b:1e01b +2c4c:1e01c +2c4d:1e01d +2c4e:1e01e +2c4f:1e01f +2c50:1e020 +2c51:1e021 +2c53:1e023
+2c54:1e024 +2c56:1e026 +2c57:1e027 +2c58:1e028 +2c59:1e029 +2c5a:1e02a +3041:3042,30a1,30a2
+3043:3044,30a3,30a4 +3045:3046,30a5,30a6 +3047:3048,30a7,30a8 +3049:304a,30a9,30aa +304b:3095,
30ab,30f5 +304d:30ad +304f:30af,31f0 +3051:3096,30b1,30f6 +3053:30b3,1b132,1b155 +3055:30b5
+3057:30b7,31f1 +3059:30b9,31f2 +305b:30bb +305d:30bd +305f:30bf +3061:30c1 +3063:3064,30c3,30c4
+3066:30c6 +3068:30c8,31f3 +306a:30ca +306b:30cb +306c:30cc,31f4 +306d:30cd +306e:30ce +306f:30cf,
31f5 +3072:30d2,31f6 +3075:30d5,31f7 +3078:30d8,31f8 +307b:30db,31f9 +307e:30de +307f:30df
+3080:30e0,31fa +3081:30e1 +3082:30e2 +3083:3084,30e3,30e4 +3085:3086,30e5,30e6 +3087:3088,30e7,
30e8 +3089:30e9,31fb +308a:30ea,31fc +308b:30eb,31fd +308c:30ec,31fe +308d:30ed,31ff +308e:308f,
30ee,30ef +3090:30f0,1b150,1b164 +3091:30f1,1b151,1b165 +3092:30f2,1b152,1b166 +3093:30f3,1b167
+3105:31a0 +3106:31b4 +310a:31b5 +310d:31a3,31bb +310e:31b6 +310f:31b7 +3110:31a2 +3117:31a1
+311a:31a9 +311b:31a7 +311c:312e +311e:31ae +3120:31af +3127:31aa,31b3 +3128:31a8,31ab +31a4:31a5
+4e2c:2ea6 +4e36:2e80 +4e59:2e84 +4e5a:2e83 +4e5b:2e82 +4ebb:2e85 +5182:2e86 +51e0:2e87 +5200:2e88
+5202:2e89 +535c:2e8a +5369:2e8b +5382:2e81 +5c0f:2e8c,2e8d +5c22:2e8e,2e90 +5c23:2e8f,2e91
+5df3:2e92 +5e7a:2e93 +5f50:2e95 +5f51:2e94 +5fc3:2e97 +5fc4:2e96 +624c:2e98 +6535:2e99 +65e1:2e9b
+65e5:2e9c +6708:2e9d +6b7a:2e9e +6c11:2ea0 +6c35:2ea1 +6c3a:2ea2 +706c:2ea3 +722b:2ea4,2ea5
+725b:2ea7 +72ad:2ea8 +738b:2ea9 +758b:2eaa +76ee:2eab +793a:2eac +793b:2ead +7af9:2eae +7cf9:2eaf
+7e9f:2eb0 +7f52:2eb2,2eb5 +7f53:2eb1,2eb3,2eb4 +7f8a:2eb6,2eb7 +7f8b:2eb8 +8002:2eb9 +807f:2ebb
+8080:2eba +8089:2ebc +81fc:2ebd +8279:2ebe,2ebf,2ec0 +864e:2ec1 +8864:2ec2 +897f:2ec4 +8980:2ec3
+89c1:2ec5 +89d2:2ec6,2ec7 +8ba0:2ec8 +8d1d:2ec9 +8db3:2eca +8f66:2ecb +8fb6:2ecc,2ecd,2ece
+9091:2ecf +9485:2ed0 +9577:2ed1 +9578:2ed2 +957f:2ed3 +95e8:2ed4 +961c:2ed5 +961d:2ed6 +96e8:2ed7
+9752:2ed8 +97e6:2ed9 +9875:2eda +98ce:2edb +98de:2edc +98df:2edd +98e0:2ede,2edf +9963:2ee0
+9996:2ee1 +9a6c:2ee2 +9aa8:2ee3 +9b3c:2ee4 +9c7c:2ee5 +9e1f:2ee6 +9e75:2ee7 +9ea6:2ee8 +9ec4:2ee9
+9efe:2eea +9f4a:2eeb +9f50:2eec +9f52:2eed +9f7f:2eee +9f8d:2eef +9f99:2ef0 +9f9c:2ef1,2ef2
+a558:a610 +a56a:a611 +a56e:a62a +a587:a612 +a5d1:a62b +a649:2df8 +a64b:2df9 +a651:1e06c
+a657:2dfc +a689:1e04a +a733:10780 +a735:1dd5 +a739:1dd6,a73b +a76f:1dd2 +a7b5:1de9 +a8f2:a8f3,
a8f4,a8f5,a8f6,a8f7 +a9ab:a9ac +ab38:1dec
+fffd:10376,10377,10378,10379,1037a,10ac8,11a3b,11a3c,11a3d,11a3e,11a8a,11a8b,11a8c,11a8d,11a8e,
11a8f,11a90,11a91,11a92,11a93,11a94,11a95,11d47
"""


def _parse(letters: str) -> str:
    return (
        "".join(chr(int(n, 16)) for n in letters[1:].split("+")) if letters[0] == "+" else letters
    )


SIMILAR_LETTERS = {
    chr(int(number, 16)): _parse(letter)
    for word in _TABLE.replace(",\n", ",").split()
    for letter, _, numbers in [word.partition(":")]
    for number in numbers.split(",")
}

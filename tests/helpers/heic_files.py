"""HEIC files of `picture_files.scene()`, which nothing here can write: HEVC, quality 90, in zlib and base 85."""

import base64
import zlib


def _unpacked(lines: str) -> bytes:
    return zlib.decompress(base64.b85decode("".join(lines.split())))


PLAIN = _unpacked(r"""
c-muNV30{GsVvAy&8%Pmg51nBLl8SRGck>Ufw3+(wIq=N0u(b+a*CjAhJwuG5(YG&l$n#C3}U!AFfalk5HK!+&_LEjAfcR@nU@CP0<kENlgb3;Wt1fwf
|z^-nI*Y!CI2!DiVA@Az088-d>~y8ROZac!U1H?vj8cQ`@rz$|BoLG4E)RqKpo-^j6970|AQ1TgH<pCmF!}2NCe7hIWaP#N=#r8P}p=g^m5D{783~ppc
vx>kc2=(5>PpZ3**6J2?GhB5QA`Xeoj$da!v(MoR@*E0VpJrSzM3`^|%8RYb56+f?TTsb-e_L{{R2~3n0w|q;G&|AQmXdtjGjuWai)ic|{_#AQu+Oz<^
_IWMXD*0WxpqrX&JGnenU!<9aqDj?)Wu8)6*~9FV`Zr}Eq1{*QL6Hl{uAZ~Z7XMd#yj;~hs<X8+FU<Wu<hzmA9fduec2T2aF8q(V`h0|s&rG<;vn3H6_
Am@&QLwCUp)mJx5SweW9y#v-)YO2?^G&PV#`QP&++v(Aey|IGaDOU|(y+pdH(hQ*voS~oYsy07R>R(rHdpVqydv&(}lFC|Yt%k)@o)vS!d?IG=)Nq-F<
rb>1j)_HGoDkzN;4B4a^bY-ROL5>?qVo$uCvlCAy{@M|mnZGeVGvPCb?yZ$`_v@9N@4sc@B6TciYhYS!@T9FvzJ1-WnJ;3S_gblSp*zaNjJGr^oqr_Ax
1i_0;q1nV85g~JV=kVtIuX%3(dHQEuOHd9?yv9OQ8UQ@;P_eearTWZFIQcv75-bl=SI}iXCCT5^gl$J2iiR4U-Q8;%Wj5e=N8YyAH7NpqPPThUJ;hgIG
!5aCbjkQT1le|jVtq{Mb4Lg7X3Fb$tupM!6?0Hqw<f3nL2Csy#BILC%VnSW3Gn!#Ctjg0TYc)A}71Qb<kqc2>qnb;Xm{L)!-AMehTZJU5h?vxFK|JZ7S
nJG4~?@tv0ovgqqd;`@V6npO%s0DR8jx(>AWw-fLNTf`1+W08kh)ga
""")

# Its alpha is the scene's red.
TRANSPARENT = _unpacked(r"""
c-muNV30{GsVvAy&8%Pmg51nBLl8SRGck>UfhjjPwIq=N0u(b+a*CjAhJwuG5(YG2l9`jA3}U!AFfcJNf>=xwAv6O6<3*qt5U?b{L>M*!u|;NPUK*GOk
`)DVQo+iAYBI`_4H-}bnGk|}1(_we3{aJfYcdOp3V?J=W<hd3P^=uN%$bpe1IV0b0a7IQf#J{pA3qov_?Z)cI>a3qc^Loy2Pt3%t6&By*~R3L2$a)uVq
`>>n7|^Su<35-<(NAxCK3WbF~$iX34sQXS2$c44;D)pNC1Txgp>1git>_kDuCj=3~UWRA(71Df>fw~9iUhvIVZ6IL_=K9AOWKP|Ns92<V7HT0~#6v1(_
9@AdSo%93Zb0B78Of2h3N0aQF(O0?Aiua9_bB4m7cdMX%bGJ(~%{Hv$n%0w5o;fqZnZ6B5V}2QY%{R8K6ea0c;8i}I{;3sTdqGE&Qut&9u|O|5`ZnJHG
_m{G_q$b}^tU@Bm3WMXD*VPIlyV`lGY0g6dw7Nw>^<@td6a=>W?7!FL`xhaXjM8$YkgK<5Z5y$C;x(%_82M)+z+f(`NZ~sTTRU6Zu_qTo&o1*jaxbco7
E3<!Rbn+?u{9nhz{=GD~E3GJDcT%CK&H)3t2O7Sw<%IgrHO!b^aoY6p3(JVN*IM|uJ!28tY^CE=D(55p^r-8Os#)hnmw#sd_9f@ojcr##8pC4FB(0kpV
cl2sCaXQ#rBCbL&e`QbmY0$zpJjS1w`x{K;r5Vr&ZNHv4^t((4ePu&ITe(~35IOa47#$?_8`ZNB(W#n&e@446MyXp&CK7JpPBHPL-*Fox%>6X&iCIkag
jO}v^6lTHh9w3CEvbo*vuEP&3moXy3ieEV#ZsVmCipB<Xh15-*9&0#Egqxy)hThSe=OIooI86^Vg5;TKCs?@2DB%e{lRP`Z)W>mY1t8)e8Tu-*Y4C=`#
=YANn66%>!+o@~`>enPoS_vvZ5*;g4P=22orBJFf^!XB<zBZj;)2d99?;g~pY6(jw<eKa2jGmt+-Z)L@j}v{CuT!%UqudtQIps1x1h;4xQ2ed0Zxf`Ey
}CXtif-#Tb9X@q{#=kTBT|7!4wP(Our&#pzEGu#lmw>Fh=p_u!TfL5E@PeRS={(axL*H6nx@f0{%_-PwgYwxwJJi$K?fYH28gK-^Cih1$j&0p*e?r3e;
w(oyNMSb=8CzJoKah*1&<6Ok8Y!-tq-TSxYAI|>$Y|fDx_WL-4ws*@O>w9~@Xx_1W(^HuXR$6^tbb-HBaLKD{e4d$R#dB=!^-KiU{$uPqCck0!|Cr!+d
u7+ibMC$L`X6hd{Tv0WsX@A&$LBDW+_rLEb(`bdMuD|O&t*5BUzagY?((y0Gnw2(o$6no|Ci0xjoKSkG}ZUt&Fmh9!`;2b0Bq{HmH
""")

# Stored upright, turned by the box `irot` and, once more, by an EXIF orientation of 6.
TURNED = _unpacked(r"""
c-muNV30{GsVvAy&8%Pmg51nBLl8SRGck>Uf$?N+YDppk1Sn>t<P<^K3<a6VB@Af5Br_*J8N_gLU|?ck1hE+3LTDiCHc$)*m`}h&7*v4RA~Q2D4a@_{i
UK*QU}Zox8D+_a3`l~EASJF9nPBC71(_we3{aJf9GL}01wi)m%!1^6AYBgB>&(c)0c6gz04b9D!0_k)j~@&S{LBeJ9pVm*JdFSUgA_1>RWJjU>|%0A1j
=bSF*2e`OkfdE*mO7aa?BkT6A1yJ7~=$xgg`?QP&tPS<H2GH0|}rIgK%<wPElTRP6be$mw~MTC?t|uT#yR&uLBfoB<Cc8Tq^-_J%a{_{{R2~4Nxcm=@-
z@5Gcs3$OMNO2M5S2oS8-WB|rx;NM;t~!eWJyfsw6|iJ7&f4akwoEJ{s-O7JD86eok@0cZykdu~c1Fv1wGYcQ^7GvZiqGO(eOAvHKz=j{37GKGt*^9sI
4uD&ao{9)$9=K>4zq_?Q;U#eMI%Tv>AKlj$;hu2kVXI3@v*!WamNzb!va?vbrUueGZp4?&Sy(Y#w@6DVK<oDdFv46k6ZSU=bWzYJHmt1+d$?|-G%pqH`
j_9hM2L;x@nU}{poP2)$=9ho!Kf_oAWVm*fo}25X_3okGjH7WM{X^xXbIg@}?-)4Wd_Dh<{@>}}8kqvG$)8wd{delpHM34Kxa#t}exoV9;nbr&8OOTM&
AmErulu$MzqfpR)2r<EEKu^dyvF4hpCT=58+h&AH#`a|+;sIwc$$*k<Lm2R2p;<pXRIez_lrHm?vQ2lzb~arZ-2PYI_HD3nnu}y#V<@%<u+8^oVhIdA=
9<%$2%K)v~;3Nzui$XJorOqeb@V0S5<F><=<_)l$Gm#>D%pBX7(;z%p12fpRJCr=w$1gRkh@_C9CeCm?+L_Z`;_Qpmp4f8_RyJ-ru+Rf9wC<{|;1p{*N
sXeDaOq!1<0D=N~<=kNtAGaoa`%mvw(uy>z{#XJq1U;2S;9DnkCAb(@yR={e_(J=B`}FR+CPSxvs<vh=Vf`;n*2oJ*{K7-;-=vztHpLS^x5i@vQ+4HtV
qewgs~TRbqr*&unt*Ox&H$m3vOWE27=UtsjJK~e+&<h@G@
""")

#![allow(clippy::all, clippy::print_stdout, reason="tmp")]
fn main(){
 let d=include_str!("../tests/design.toml");
 let t: Vec<(&str,String)> = vec![("design",d.into()),("design",d.into()),
 ("eqlines","=\n".repeat(30000)),("arr=nl",format!("x = [{}","=\n".repeat(30000))),("cr","\r".repeat(60000)),("anl","a\n".repeat(30000)),
 ("nonascii","é\n".repeat(20000)),("longkeys",(0..1000).map(|n| format!("{}{n} = 1\n","a".repeat(50))).collect()),
 ("cmt", format!("#{}", "\u{1}".repeat(60000))),("inl", format!("x = {{{}", "a,".repeat(30000))),("missing+unread", "a\n".repeat(150)+&"[data.a]\n".to_string()+&(0..100).map(|n|format!("fields.x{n}={{}}\n")).collect::<String>())];
 for (n,t) in t { let s=std::time::Instant::now(); let r=model::Manifest::parse(t.as_bytes(), jiff::civil::date(2026,11,23)); let f=r.err().unwrap_or_default(); println!("{n:20} {:?} {} {:?}", s.elapsed(), f.len(), f.get(0).map(|f|format!("{} {:?}:{:?} {}",f.code,f.line,f.column,f.what))); }
}
